/** What the operator, not the user, decides; its config or the local cluster fills it in. */
import type { Role } from '@longpo/api';

/** What an image runs: a role of the pod contract, or vLLM's server, which knows nothing of the contract. */
export type ImageName = Role | 'vllm';

export interface Settings {
  /** Image of the pods. */
  images: Record<ImageName, string>;
  /** Base of the progress endpoint, for instance http://longpo-controller.longpo-system.svc:8080. */
  reportBaseUrl: string;
}
