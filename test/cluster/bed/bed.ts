/** A running control plane with its nodes, network and storage; what tests and `npm run cluster` hold in hand. */
import { type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { Relay } from '../relay/relay.ts';
import type { BedProcess } from './bed-process.ts';
import type { Component } from './component.ts';
import type { Namespaces, SpawnOptions } from './namespaces.ts';

export interface BedParts {
  folder: string;
  namespaces: Namespaces;
  relay: Relay;
  components: ReadonlyMap<string, Component>;
  kubeconfig: string;
  insideKubeconfig: string;
  kubectl: string[];
  env: Record<string, string>;
}

export class Bed {
  /** Path of an administrator's kubeconfig for the host. */
  readonly kubeconfig: string;
  /** The same for processes that run inside. */
  readonly insideKubeconfig: string;
  /** Logs, volumes and data; removed by `stop`. */
  readonly folder: string;
  readonly #parts: BedParts;

  constructor(parts: BedParts) {
    this.#parts = parts;
    ({ kubeconfig: this.kubeconfig, insideKubeconfig: this.insideKubeconfig, folder: this.folder } = parts);
  }

  /** How a person calls kubectl. */
  get kubectlCommand(): string {
    return this.#parts.kubectl.join(' ');
  }

  /** What it printed; an error with its messages when it fails. Runs on the host. */
  kubectl(...args: string[]): Promise<string> {
    return this.#kubectl(args, '');
  }

  /** `kubectl apply` of YAML or JSON text. */
  apply(manifest: string, ...args: string[]): Promise<string> {
    return this.#kubectl(['apply', '-f', '-', ...args], manifest);
  }

  async #kubectl(args: string[], input: string): Promise<string> {
    const [program = '', ...first] = this.#parts.kubectl;
    const options: SpawnOptionsWithoutStdio = { env: { ...this.#parts.env, KUBECONFIG: this.kubeconfig } };
    const child = spawn(program, [...first, ...args], options);
    // One that fails before it reads says so by its exit code.
    child.stdin.on('error', () => undefined).end(input);
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    if (code === 0) return output;
    throw new Error(`kubectl ${args.join(' ')}: exit code ${code}: ${errors.trim() || output.trim()}`);
  }

  /**
   * Starts a process in the bed's network, where names and addresses of Services work and nothing of the outside
   * does. It sees the host's files and ends with the bed. KUBECONFIG is set for it. Its streams are
   * pipes unless told otherwise: read them, or it stops when they are full.
   */
  exec(command: string[], options: Partial<SpawnOptions> = {}): Promise<BedProcess> {
    const env = { ...this.#parts.env, KUBECONFIG: this.insideKubeconfig, ...options.env };
    return this.#parts.namespaces.spawn(command, { cwd: process.cwd(), ...options, env });
  }

  /** Port of 127.0.0.1 on the host that leads to an address inside: a pod's, a Service's, or a Service's name. */
  forward(host: string, port: number): Promise<number> {
    return this.#parts.relay.forward(host, port);
  }

  /** `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `network`, `provisioner`, `node-1` ... */
  component(name: string): Component {
    const component = this.#parts.components.get(name);
    if (component === undefined)
      throw new Error(`no component ${name}, there are ${[...this.#parts.components.keys()].join(', ')}`);
    return component;
  }

  /** Ends everything. Nothing is left: no process, mount, interface or file. */
  async stop(): Promise<void> {
    for (const component of this.#parts.components.values()) component.release();
    await this.#parts.namespaces.close();
  }
}
