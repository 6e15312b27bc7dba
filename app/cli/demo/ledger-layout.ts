/**
 * Where the demo's database lies on the volume: known to its writer and to the checks, one on each side of
 * the move. Its folder holds nothing else, and is checked by its rows.
 */
import { join } from 'node:path';

export const ledgerFolder = 'database';
export const ledgerPath = join(ledgerFolder, 'ledger.db');
