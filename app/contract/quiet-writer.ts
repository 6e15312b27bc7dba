/**
 * For clients whose other end may go at any moment: a request that cannot be written. vscode-jsonrpc rejects
 * it then and also throws where nobody can catch it (8.2.1, sendRequest), which would end the program with a
 * trace. The socket closes after a failed write, and that is what the caller is told by.
 */
import { SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import type { Message } from 'vscode-jsonrpc/node.js';

export class QuietWriter extends SocketMessageWriter {
  override async write(message: Message): Promise<void> {
    await super.write(message).catch(() => undefined);
  }
}
