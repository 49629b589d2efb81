/** What a test tells the stand-ins, as JSON in the env STAND_IN of spec.podTemplate. */
export interface StandInSettings {
  /** How long generate and train work. */
  workMs?: number;
  misfortunes?: Misfortune[];
}

/** Something that goes wrong `times` times, in any pod that fits. */
export interface Misfortune {
  role: 'fetch' | 'generate' | 'train' | 'verify';
  stage?: string;
  index?: number;
  times: number;
  /** Exit code; 137 is a SIGKILL of itself, as the kernel's when memory is short. */
  exit?: number;
  hang?: boolean;
}
