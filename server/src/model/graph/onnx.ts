/** An ONNX model under construction. Field numbers are those of onnx.proto. */
import type { Dtype, Tensor } from '../safetensors.ts';
import { Message } from './protobuf.ts';

/** TensorProto.DataType */
export const elementType = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  INT32: 6,
  INT64: 7,
  BOOL: 9,
  FLOAT16: 10,
  BFLOAT16: 16,
} as const;
export type ElementType = (typeof elementType)[keyof typeof elementType];

const ofDtype: Record<Dtype, ElementType> = {
  F32: elementType.FLOAT,
  BF16: elementType.BFLOAT16,
  F16: elementType.FLOAT16,
  U8: elementType.UINT8,
};

/** A number is an INT if written `int`, a FLOAT if written `float`; bare numbers would hide which one ONNX reads. */
export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly graph: Message };

export interface NodeOptions {
  readonly domain?: 'com.microsoft';
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /**
   * For nodes that need initializers only. ONNX Runtime runs what a node needs in the reverse order of the graph, so what
   * stands before everything else runs just before its use, and what stands before its use runs before everything else.
   */
  readonly atFront?: boolean;
}

/** Dimensions are numbers, or names that may differ from run to run. */
export type Dimensions = readonly (number | string)[];

export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly dimensions: Dimensions;
}

type Way = (names: readonly string[]) => void;

const irVersion = 10;
/** The first with TensorScatter. */
const opset = 24;
const external = 1;
const attributeType = { float: 1, int: 2, string: 3, graph: 5, ints: 7 };

export class OnnxGraph {
  readonly #front: Message[] = [];
  #nodes: Message[] = [];
  readonly #initializers = new Map<string, Message>();
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];

  /** Adds a node and returns the name of its first output; '' leaves an optional input or output out. */
  node(op: string, inputs: readonly string[], outputs: readonly string[], options: NodeOptions = {}): string {
    const message = new Message();
    // At the end they are not written at all.
    const given = inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1);
    for (const name of given) message.string(1, name);
    for (const name of outputs) message.string(2, name);
    message.string(3, outputs.find((name) => name !== '') ?? op).string(4, op);
    for (const [name, value] of Object.entries(options.attributes ?? {})) {
      message.message(5, attribute(name, value));
    }
    if (options.domain) message.string(7, options.domain);
    (options.atFront ? this.#front : this.#nodes).push(message);
    return outputs[0] ?? '';
  }

  /**
   * Computes all outputs in one of two ways, as `condition` says when the graph runs; both may use what stands before. A
   * way is told what its outputs are to be called.
   */
  choose(condition: string, outputs: readonly Value[], ways: { whenTrue: Way; whenFalse: Way }): void {
    const branch = (name: 'true' | 'false', way: Way): { graph: Message } => {
      const own = outputs.map((output) => ({ ...output, name: `${output.name}:${name}` }));
      const around = this.#nodes;
      this.#nodes = [];
      way(own.map((output) => output.name));
      const described = own.map((output) => valueInfo(output.name, output.type, output.dimensions));
      const graph = graphOf(name, this.#nodes, described);
      this.#nodes = around;
      return { graph };
    };
    const names = outputs.map((output) => output.name);
    this.node('If', [condition], names, {
      attributes: {
        then_branch: branch('true', ways.whenTrue),
        else_branch: branch('false', ways.whenFalse),
      },
    });
  }

  /** An initializer whose data stays where it is in the tensor's file. */
  external(tensor: Tensor): string {
    if (this.#initializers.has(tensor.name)) return tensor.name;
    const message = new Message();
    for (const dimension of tensor.shape) message.int(1, dimension);
    message.int(2, ofDtype[tensor.dtype]).string(8, tensor.name);
    const place = { location: tensor.file.slice(1), offset: `${tensor.offset}`, length: `${tensor.bytes}` };
    for (const [key, value] of Object.entries(place)) {
      message.message(13, new Message().string(1, key).string(2, value));
    }
    this.#initializers.set(tensor.name, message.int(14, external));
    return tensor.name;
  }

  constant(name: string, values: readonly number[]): string {
    return this.#vector(name, elementType.INT64, BigInt64Array.from(values, BigInt));
  }

  floats(name: string, values: readonly number[]): string {
    return this.#vector(name, elementType.FLOAT, Float32Array.from(values));
  }

  #vector(
    name: string,
    type: ElementType,
    values: BigInt64Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
  ): string {
    const message = new Message().int(1, values.length).int(2, type).string(8, name);
    this.#initializers.set(name, message.bytes(9, new Uint8Array(values.buffer)));
    return name;
  }

  input(name: string, type: ElementType, dimensions: Dimensions): string {
    this.#inputs.push(valueInfo(name, type, dimensions));
    return name;
  }

  output(name: string, type: ElementType, dimensions: Dimensions): void {
    this.#outputs.push(valueInfo(name, type, dimensions));
  }

  encode(): Uint8Array {
    const graph = graphOf('decoder', [...this.#front, ...this.#nodes], this.#outputs);
    for (const initializer of this.#initializers.values()) graph.message(5, initializer);
    for (const input of this.#inputs) graph.message(11, input);
    return new Message()
      .int(1, irVersion)
      .string(2, 'longpo')
      .message(7, graph)
      .message(8, new Message().string(1, '').int(2, opset))
      .message(8, new Message().string(1, 'com.microsoft').int(2, 1))
      .encode();
  }
}

function graphOf(name: string, nodes: readonly Message[], outputs: readonly Message[]): Message {
  const graph = new Message();
  for (const node of nodes) graph.message(1, node);
  graph.string(2, name);
  for (const output of outputs) graph.message(12, output);
  return graph;
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().string(1, name);
  if ('string' in value) return message.string(4, value.string).int(20, attributeType.string);
  if ('ints' in value) {
    for (const one of value.ints) message.int(8, one);
    return message.int(20, attributeType.ints);
  }
  if ('graph' in value) return message.message(6, value.graph).int(20, attributeType.graph);
  return 'int' in value
    ? message.int(3, value.int).int(20, attributeType.int)
    : message.float(2, value.float).int(20, attributeType.float);
}

function valueInfo(name: string, type: ElementType, dimensions: Dimensions): Message {
  const shape = new Message();
  for (const dimension of dimensions) {
    const message = new Message();
    shape.message(
      1,
      typeof dimension === 'number' ? message.int(1, dimension) : message.string(2, dimension),
    );
  }
  const tensorType = new Message().int(1, type).message(2, shape);
  return new Message().string(1, name).message(2, new Message().message(1, tensorType));
}
