/** The doors of the endpoints with a body, made once from the limits of this server. */
import { chatRequest } from './chat-request.ts';
import { completionRequest } from './completion-request.ts';
import type { RequestLimits } from './limits.ts';

export const requestSchemas = (limits: RequestLimits) => ({
  limits,
  chat: chatRequest(limits),
  completion: completionRequest(limits),
});

export type RequestSchemas = ReturnType<typeof requestSchemas>;
