/** THE CONTRACT: every schema and shared string of the product. No I/O, no client, no env. */
export * from './checkpoint-manifest.ts';
export * from './conditions.ts';
export * from './crd.ts';
export * from './generation.ts';
export * from './group.ts';
export * from './hyperparameters.ts';
export * from './kubernetes.ts';
export * from './labels.ts';
export * from './longpo-serving.ts';
export * from './longpo-training.ts';
export * from './model-config.ts';
export * from './model-facts.ts';
export * from './object-meta.ts';
export * from './pod-contract/index.ts';
export * from './preference-row.ts';
export * from './progress-report.ts';
