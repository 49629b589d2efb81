/** URIs of models, documents and preference files as paths in a pod. */

/** pvc://<claim>/<path> lies below the volume root, where the claim is mounted; anything else is used as it is. */
export function podPath(uri: string): string {
  const claim = /^pvc:\/\/[^/]+\/(.+)$/.exec(uri);
  return claim?.[1] ?? uri;
}

/** Claims that the URIs of a spec name; each must be the one the pods mount. */
export function claimOf(uri: string): string | undefined {
  return /^pvc:\/\/([^/]+)\//.exec(uri)?.[1];
}

/** Folder of a downloaded model, below the volume root. */
export function modelDirectory(uri: string): string {
  const hub = /^hf:\/\/([^/]+)\/([^@]+)(?:@(.+))?$/.exec(uri);
  if (!hub) return podPath(uri);
  return `models/${hub[1]}--${hub[2]}/${(hub[3] ?? 'main').replaceAll('/', '--')}`;
}
