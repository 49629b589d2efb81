/** The API group, its served version and the kinds in it. */
export const apiGroup = 'longpo.dev';
export const apiVersion = `${apiGroup}/v1alpha1` as const;

export const kinds = {
  training: {
    kind: 'LongPOTraining',
    plural: 'longpotrainings',
    singular: 'longpotraining',
    shortName: 'lpt',
  },
  serving: { kind: 'LongPOServing', plural: 'longposervings', singular: 'longposerving', shortName: 'lps' },
} as const;
