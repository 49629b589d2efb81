/** TOKENS: tokenizer and chat template of a Hugging Face model folder, for the three that count or encode. */
export type { ChatMessage, ToolCall } from './chat-template.ts';
export { StreamDecoder } from './stream-decoder.ts';
export { openTokenizer, type Tokenizer, type TokenizerInfo } from './tokenizer.ts';
export { TokenizerError } from './tokenizer-error.ts';
