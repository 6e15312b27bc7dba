/**
 * `diskferry serve`: the wizard in a browser, on this machine or through an SSH tunnel to it. It has the rights of
 * the user who runs it, and ends with Ctrl-C; moves go on.
 */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { WizardServer } from '../serve/wizard-server.ts';
import { serviceSocketPath } from '../service-line.ts';

interface ServeOptions {
  readonly port?: number;
  readonly json?: boolean;
}

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('show the wizard in a browser, at 127.0.0.1 and for whoever has its link')
    .option('--port <number>', 'where to listen (default: any free port)', parsePort)
    .option('--json', 'the link as a JSON object on stdout')
    .action(serve);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a number from 1 to 65535.');
}

async function serve({ port = 0, json }: ServeOptions): Promise<void> {
  const sayLink = (): void => say(server.newLink(), json === true);
  const server = await WizardServer.listen({ port, socketPath: serviceSocketPath(), onAlone: sayLink });
  sayLink();
  await new Promise<void>((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop());
  });
  await server.close();
}

function say(url: string, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ event: 'serving', timeMs: Date.now(), url })}\n`);
    return;
  }
  process.stderr.write(
    `Open this link in a browser of this machine. It opens one window, once:\n\n  ${url}\n\n` +
      'When that window is closed, a new link is shown here. Ctrl-C ends this command; moves go on.\n',
  );
}
