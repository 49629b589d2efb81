/** What the operator, not the user, decides; its config or the local cluster fills it in. */
import type { Role } from '@longpo/api';

export interface Settings {
  /** Image of each role's pods. */
  images: Record<Role, string>;
  /** Base of the progress endpoint, for instance http://longpo-controller.longpo-system.svc:8080. */
  reportBaseUrl: string;
}
