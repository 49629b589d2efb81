/** How a role ends. The Job's podFailurePolicy and the controller's restart policy read nothing else. */
export const exitCodes = {
  done: 0,
  /** The config, model or data cannot be used as given; a retry would end the same. */
  config: 2,
  /** The plan needs more memory than there is. */
  doesNotFit: 3,
  /** Data, reference or checkpoint differ from what their digest says. */
  mismatch: 4,
  /** The loss is not a finite number. */
  nonFiniteLoss: 70,
  /** Stopped from outside (SIGTERM) after saving; start again. */
  tryAgain: 75,
} as const;

/** Error code of a rank that ends, with tryAgain, because another one has left (trainer/longpo_trainer/launch.py). */
export const peerLost = 'PEER_LOST';

/** Codes that end the Job at once. */
export const fatalExitCodes = [
  exitCodes.config,
  exitCodes.doesNotFit,
  exitCodes.mismatch,
  exitCodes.nonFiniteLoss,
] as const;
