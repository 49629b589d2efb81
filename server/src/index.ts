/** THE MODEL SERVER: a Hugging Face folder in, an OpenAI-compatible endpoint out, over ONNX Runtime's C API. */
export { createApp } from './api/app.ts';
export { openEngine } from './engine/open-engine.ts';
export { type Failure, failureOf } from './failure.ts';
export { PortInUseError } from './listener.ts';
export { ModelError } from './model/model-error.ts';
export { type RunningServer, type ServerOptions, startServer } from './serve.ts';
