/** A font as the build puts it into the script: its bytes (resources/build.mjs). */
declare module '*.woff2' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
