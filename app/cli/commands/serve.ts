/**
 * `diskferry serve`: the wizard in a browser, on this machine or through an SSH tunnel to it. It has the rights of
 * the user who runs it, and ends with Ctrl-C; moves go on. A line on stdin, as Enter gives it, asks for a new link.
 */
import { readFileSync } from 'node:fs';
import type { Interface } from 'node:readline';
import { createInterface } from 'node:readline';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { DemoStage } from '../serve/demo-stage.ts';
import { tokenMsMax } from '../serve/page-keys.ts';
import type { WizardServerOptions } from '../serve/wizard-server.ts';
import { WizardServer } from '../serve/wizard-server.ts';
import { serviceSocketPath } from '../service-line.ts';

interface ServeOptions {
  readonly port?: number;
  readonly json?: boolean;
  readonly demo?: boolean;
}

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('show the wizard in a browser, at 127.0.0.1 and for whoever has its link')
    .option('--port <number>', 'where to listen (default: any free port)', parsePort)
    .option('--demo', 'with two disks of its own, made of files, and no other')
    .option('--json', 'the link as a JSON object on stdout')
    .action(serve);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a number from 1 to 65535.');
}

async function serve({ port = 0, json = false, demo = false }: ServeOptions): Promise<void> {
  if (!demo) {
    await serveUntilStopped({ port, socketPath: serviceSocketPath() }, { json, stopped: stopSignal() });
    return;
  }
  const stopped = stopSignal();
  const stage = await DemoStage.make();
  try {
    const { socketPath, offered } = stage;
    await serveUntilStopped({ port, socketPath, offered }, { json, stopped });
  } finally {
    await stage.clear();
  }
}

/** From now on no signal ends the process by itself. */
function stopSignal(): Promise<void> {
  return new Promise<void>((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop());
  });
}

interface Serving {
  readonly json: boolean;
  readonly stopped: Promise<void>;
}

async function serveUntilStopped(options: WizardServerOptions, { json, stopped }: Serving): Promise<void> {
  const sayLink = (): void => say(server.newLink(), json);
  const server = await WizardServer.listen({ ...options, onAlone: sayLink });
  sayLink();
  const enter = onEnter(sayLink);
  await stopped;
  enter?.close();
  await server.close();
}

/** Not in the background of a terminal: who reads there is stopped by the kernel. */
function onEnter(act: () => void): Interface | undefined {
  if (process.stdin.isTTY && !isInForeground()) return undefined;
  const lines = createInterface({ input: process.stdin });
  return lines.on('line', act);
}

/** proc_pid_stat(5): after the name, which ends with the last bracket, the third is pgrp and the sixth tpgid. */
function isInForeground(): boolean {
  const fields = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /s, '').split(' ');
  return fields[2] === fields[5];
}

function say(url: string, json: boolean): void {
  if (json) {
    const line = { event: 'serving', timeMs: Date.now(), url, validMs: tokenMsMax };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  process.stderr.write(
    `Open this link in a browser of this machine. It opens one window, once, within ${tokenMsMax / 60_000} minutes:\n\n  ${url}\n\n` +
      'Enter shows a new link, and so does closing that window. Ctrl-C ends this command; moves go on.\n',
  );
}
