/**
 * npm test: every suite, installing what it needs itself. `node test/run.ts SUITE...` runs some of them; `check` and
 * `fix` run the Python half of the npm scripts of the same name. The last line sums what passed and failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../cli/src/config.ts';
import { prepareGguf } from '../examples/quickstart/gguf.ts';
import { prepareModel, preparePython } from '../examples/quickstart/prepare.ts';
import { readClusterConfig } from './cluster/config.ts';
import { buildHelm, prepareBed } from './cluster/prepare.ts';

interface Counts {
  passed: number;
  failed: number;
  /** A skipped test proves nothing: it counts as failed in the sum. */
  skipped: number;
}

interface Suite {
  name: string;
  command(report: string): string[];
  counts(report: string): Counts;
  /** Starts a control plane, which is built before. */
  needsCluster?: boolean;
}

const root = join(import.meta.dirname, '..');
const config = readConfig();

const vitest = (name: string, project: string): Suite => ({
  name,
  command: (report) => [
    join(root, 'node_modules', '.bin', 'vitest'),
    ...['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
  ],
  counts(report) {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites } = JSON.parse(
      readFileSync(report, 'utf8'),
    ) as Record<string, number>;
    // A file that fails before its first test has no failed test, only a failed suite.
    const failed = numFailedTests || numFailedTestSuites || 0;
    return { passed: numPassedTests ?? 0, failed, skipped: (numPendingTests ?? 0) + (numTodoTests ?? 0) };
  },
});

const pytest = (name: string, ...options: string[]): Suite => ({
  name,
  command: (report) => [
    ...[python, '-m', 'pytest', '-q', join(root, 'trainer'), `--junitxml=${report}`],
    ...options,
  ],
  counts(report) {
    const xml = readFileSync(report, 'utf8');
    const attribute = (name: string) =>
      Number(new RegExp(`<testsuite[^>]* ${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
    const failed = attribute('failures') + attribute('errors');
    const skipped = attribute('skipped');
    return { passed: attribute('tests') - failed - skipped, failed, skipped };
  },
});

/** Format, lint, types, generated files: one pass or fail. */
const check: Suite = {
  name: 'check',
  command: () => ['npm', 'run', '--silent', 'check'],
  counts: () => ({ passed: 1, failed: 0, skipped: 0 }),
};

const suites: Suite[] = [
  check,
  vitest('unit', 'unit'),
  pytest('python'),
  { ...vitest('integration', 'integration'), needsCluster: true },
  { ...vitest('end-to-end', 'e2e'), needsCluster: true },
];

/** Run only by name: they take too long for every change. */
const onDemand = [pytest('trainer-faults', '-m', 'faults')];

const python = await preparePython(config);
const wanted = process.argv.slice(2);
if (wanted[0] === 'check' || wanted[0] === 'fix') process.exitCode = ruff(wanted[0]);
else await runSuites(selectSuites(wanted));

function ruff(mode: 'check' | 'fix'): number {
  const steps = mode === 'check' ? [['check'], ['format', '--check']] : [['check', '--fix'], ['format']];
  const codes = steps.map((step) => {
    const folders = ['trainer', 'examples', 'test', 'bench'].map((folder) => join(root, folder));
    const settings = ['--config', join(root, 'trainer', 'pyproject.toml')];
    return (
      spawnSync(python, ['-m', 'ruff', ...step, ...settings, ...folders], { stdio: 'inherit' }).status ?? 1
    );
  });
  return Math.max(...codes);
}

function selectSuites(names: string[]): Suite[] {
  return names.length === 0 ? suites : [...suites, ...onDemand].filter(({ name }) => names.includes(name));
}

async function runSuites(selected: Suite[]): Promise<void> {
  const model = await prepareModel(config, python);
  const folder = mkdtempSync(join(tmpdir(), 'longpo-test-'));
  const gguf = await prepareGguf(config, python);
  if (selected.some(({ needsCluster }) => needsCluster)) await prepareCluster();
  const env = { ...process.env, LONGPO_PYTHON: python, LONGPO_TEST_MODEL: model, LONGPO_TEST_GGUF: gguf };
  const lines: string[] = [];
  const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of selected) {
    process.stdout.write(`\n=== ${suite.name}\n`);
    const started = Date.now();
    const counts = runSuite(suite, join(folder, suite.name), env);
    for (const key of ['passed', 'failed', 'skipped'] as const) sum[key] += counts[key];
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    lines.push(
      `${suite.name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${seconds} s`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
  const failed = sum.failed + sum.skipped;
  process.stdout.write(`\n${lines.join('\n')}\n${sum.passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 && sum.passed > 0 ? 0 : 1;
}

/** A first build takes longer than any test may. */
async function prepareCluster(): Promise<void> {
  await prepareBed(readClusterConfig(), process.stderr);
  await buildHelm({ cacheRoot: config.cacheRoot, output: process.stderr });
}

/** Counts of a suite; one that ends badly without a failed test has failed once. */
function runSuite(suite: Suite, report: string, env: NodeJS.ProcessEnv): Counts {
  const [command = '', ...args] = suite.command(report);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  try {
    const counts = suite.counts(report);
    if (status === 0 || counts.failed > 0) return counts;
    return suite === check ? { passed: 0, failed: 1, skipped: 0 } : { ...counts, failed: 1 };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
