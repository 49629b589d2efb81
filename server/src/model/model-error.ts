export type ModelErrorCode =
  | 'MODEL_NOT_FOUND'
  | 'MODEL_INCOMPLETE'
  | 'MODEL_TRUNCATED'
  | 'MODEL_CHANGED'
  | 'MODEL_INVALID'
  | 'MODEL_UNSUPPORTED'
  | 'CHECKPOINT_INVALID'
  | 'CHECKPOINT_CORRUPT'
  | 'CHECKPOINT_FILE_MISSING'
  | 'CACHE_FULL'
  | 'KV_MEMORY_TOO_SMALL';

/** A model folder that cannot be served. The message names the file or field, what was found and what to do. */
export class ModelError extends Error {
  readonly code: ModelErrorCode;

  constructor(code: ModelErrorCode, message: string) {
    super(message);
    this.name = 'ModelError';
    this.code = code;
  }
}
