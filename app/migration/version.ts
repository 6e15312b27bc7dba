/** Which Diskferry this is: what `--version`, reports and the service tell. */
export const version = '0.1.0';
