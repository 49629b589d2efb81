"""
Evaluations by the unmodified harness in one process. Argument: the folder of tasks; on stdin, a list of what
`simple_evaluate` takes; the last line printed is a list with the samples and results of each.

Not its command line, as that parses the 14,000 files of its own tasks at each start: a minute on a free machine.
"""

import json
import sys

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

task_manager = TaskManager(include_path=sys.argv[1], include_defaults=False)


def evaluate(arguments):
    """Samples and results of each task."""
    found = simple_evaluate(task_manager=task_manager, bootstrap_iters=0, **arguments)
    return {
        task: {
            "results": found["results"][task],
            "samples": [{"doc_id": sample["doc_id"], "resps": sample["resps"]} for sample in samples],
        }
        for task, samples in found["samples"].items()
    }


print(json.dumps([evaluate(arguments) for arguments in json.load(sys.stdin)], default=str))
