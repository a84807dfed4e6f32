/**
 * The one package that `rundown setup` takes its DLLs from, pinned to the byte, and the list of files taken from it.
 *
 * `sha256` was measured on the package file and equals what the package client's signed index says of it; `identity` is
 * the digest of the folder that set-up makes of it. Both are checked at every set-up, so all machines run the same DLLs.
 */

/** A file of the package that set-up keeps. */
export interface PackagedFile {
  /** Its path inside the package. */
  readonly member: string;
  /** Its path inside the folder that set-up makes. */
  readonly path: string;
  /** True for a PE image, whose debugging data is removed. */
  readonly image: boolean;
}

export interface WindowsPackage {
  readonly name: string;
  readonly architecture: string;
  readonly version: string;
  /** The release of the distribution that holds this version. */
  readonly release: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly files: readonly PackagedFile[];
  /** Digest of the finished folder (see `identityOf`), or null when it is not known beforehand. */
  readonly identity: string | null;
}

/** Without these no Win32 program starts. */
export const REQUIRED_IMAGES: readonly string[] = ["ntdll.dll", "kernel32.dll", "kernelbase.dll"];

/** Without these ntdll and kernelbase cannot bring up the locale. */
export const REQUIRED_TABLES: readonly string[] = ["locale.nls", "l_intl.nls", "c_1252.nls", "c_437.nls"];

const IMAGES = ["advapi32", "apisetschema", "kernel32", "kernelbase", "msvcrt", "ntdll", "sechost", "ucrtbase"];

/** Locale data, normalisation, sorting, and the code pages that a console or a Windows default locale uses. */
const TABLES = [
  ...["locale", "l_intl", "sortdefault", "normidna", "normnfc", "normnfd", "normnfkc", "normnfkd"],
  ...["c_437", "c_850", "c_852", "c_866", "c_874", "c_932", "c_936", "c_949", "c_950"],
  ...["c_1250", "c_1251", "c_1252", "c_1253", "c_1254", "c_1255", "c_1256", "c_1257", "c_1258"],
  ...["c_20127", "c_28591"],
];

const IMAGE_FOLDER = "./usr/lib/i386-linux-gnu/wine/i386-windows";
const TABLE_FOLDER = "./usr/share/wine/nls";

export const LIBWINE: WindowsPackage = {
  name: "libwine",
  architecture: "i386",
  version: "8.0~repack-4",
  release: "bookworm",
  bytes: 95_293_888,
  sha256: "c992aad6a47d81b719514f5d06c5df10267f1e40a6f4f3b4e3f655cbbf308d57",
  files: [
    ...IMAGES.map((name) => ({ member: `${IMAGE_FOLDER}/${name}.dll`, path: `${name}.dll`, image: true })),
    ...TABLES.map((name) => ({ member: `${TABLE_FOLDER}/${name}.nls`, path: `nls/${name}.nls`, image: false })),
    { member: "./usr/share/doc/libwine/copyright", path: "copyright", image: false },
  ],
  identity: "0212912a4ec00947102284b47fef55027900dc693304324ba32f1b53c9fd5535",
};
