/** A model folder, or a chat, that cannot be used as it is; the message names the file and what to do. */
export class TokenizerError extends Error {
  readonly code: 'MODEL_INCOMPLETE' | 'CHAT_TEMPLATE_MISSING' | 'CHAT_TEMPLATE_FAILED';

  constructor(code: TokenizerError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TokenizerError';
    this.code = code;
  }
}
