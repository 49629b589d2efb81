/** The chat template of a model folder: chat_template.jinja, or the field of tokenizer_config.json. */
import { Template } from '@huggingface/jinja';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
}

/** A model folder that cannot be used as it is; the message names the file and what to do. */
export class TokenizerError extends Error {
  readonly code: 'MODEL_INCOMPLETE' | 'CHAT_TEMPLATE_FAILED';

  constructor(code: TokenizerError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type RenderChat = (messages: readonly ChatMessage[], addGenerationPrompt: boolean) => string;

/** Variables that templates of the hub read besides messages. */
export interface TemplateVariables {
  bos_token: string;
  eos_token: string;
  pad_token: string;
  unk_token: string;
}

export function compileChatTemplate(source: string, variables: TemplateVariables): RenderChat {
  const template = new Template(source);
  return (messages, addGenerationPrompt) => {
    try {
      return template.render({
        ...variables,
        messages: [...messages],
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (error) {
      // Templates refuse role orders they do not know with raise_exception: the reason is the caller's to read.
      const reason = error instanceof Error ? error.message : String(error);
      throw new TokenizerError(
        'CHAT_TEMPLATE_FAILED',
        `the model's chat template refuses these messages: ${reason}`,
        {
          cause: error,
        },
      );
    }
  };
}
