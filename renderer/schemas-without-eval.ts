/**
 * Imported before any schema is made: zod would try whether it may compile code, and the page's policy forbids that
 * with a message for each try.
 */
import * as z from 'zod';

z.config({ jitless: true });
