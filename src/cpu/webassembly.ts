/**
 * The part of the host's WebAssembly that the processor uses. `src/` is compiled without the DOM library, and an
 * ambient declaration would not reach those who import the compiled package, so the types are declared here.
 */

/** A compiled module. Opaque: hosts hand it in, and only {@link webAssembly} looks inside. */
export interface WasmModule {
  readonly "a compiled WebAssembly module"?: never;
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  /** Adds pages of 64 KiB at the end. Throws if the host has no more. */
  grow(pages: number): number;
}

export interface WasmTable {
  get(index: number): unknown;
  set(index: number, value: unknown): void;
}

export interface WasmGlobal {
  value: number;
}

export interface WasmInstance {
  readonly exports: Record<string, unknown>;
}

interface WebAssemblyApi {
  readonly Module: {
    new (bytes: Uint8Array): WasmModule;
    customSections(module: WasmModule, name: string): ArrayBuffer[];
  };
  readonly Instance: new (module: WasmModule, imports: Record<string, Record<string, unknown>>) => WasmInstance;
  readonly Table: new (descriptor: { element: "anyfunc"; initial: number }) => WasmTable;
}

declare const WebAssembly: WebAssemblyApi;

export const webAssembly: WebAssemblyApi = WebAssembly;
