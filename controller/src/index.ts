/** THE OPERATOR: observe -> decide (pure) -> act, over a Cluster that may be a real one or the local one. */
export * from './cluster.ts';
export { type Controller, type ControllerDependencies, startController } from './controller.ts';
export { createLogger, type Logger } from './logger.ts';
export { retryAnnotation } from './policies/attempt.ts';
export { type Shape, shapeOf, shapeProblems } from './policies/shape.ts';
export { createProgressEndpoint, type VerifyToken } from './progress/endpoint.ts';
export { ProgressStore } from './progress/store.ts';
export { servingType, trainingType } from './reconcile/observe.ts';
export type { Settings } from './settings.ts';
export { WorkQueue } from './watch/work-queue.ts';
