"""llama.cpp's own HTTP server, as its Python bindings have it. Usage: serve.py MODEL.gguf PORT NAME CONTEXT."""

import json
import sys
import threading

import xllamacpp

model, port, name, context = sys.argv[1:]
slots = 2
parameters = xllamacpp.CommonParams()
parameters.model.path = model
parameters.model_alias = {name}
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(port)
parameters.n_parallel = slots
parameters.n_ctx = slots * int(context)
# Of a request that names no limit: a small model may not find its end.
parameters.n_predict = 64
# Two threads that wait for each other by spinning are slower than one where other processes want the cores too.
parameters.cpuparams.n_threads = 1
parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
print(json.dumps({"ready": server.listening_address}), flush=True)
threading.Event().wait()
