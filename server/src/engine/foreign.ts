/** Calls into C. koffi takes its settings only before it loads the first library, whichever that is. */
import koffi from 'koffi';

/** A run goes deep into matrix kernels that keep their tiles on the stack of the calling thread. */
const asyncStackBytes = 4 << 20;

koffi.config({ async_stack_size: asyncStackBytes });

export { koffi };
