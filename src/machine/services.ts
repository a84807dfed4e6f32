/** The system services of a machine whose threads run x86 code. */
import type { NtService } from "../nt/table.ts";
import { completionServices } from "../nt/services/completion.ts";
import { debugServices } from "../nt/services/debug.ts";
import { fileServices } from "../nt/services/file.ts";
import { fileLockServices } from "../nt/services/filelock.ts";
import { jobServices } from "../nt/services/job.ts";
import { lpcServices } from "../nt/services/lpc.ts";
import { memoryServices } from "../nt/services/memory.ts";
import { namespaceServices } from "../nt/services/namespace.ts";
import { objectServices } from "../nt/services/object.ts";
import { powerServices } from "../nt/services/power.ts";
import { privilegeServices } from "../nt/services/privilege.ts";
import { processQueryServices } from "../nt/services/queryprocess.ts";
import { threadQueryServices } from "../nt/services/querythread.ts";
import { registryServices } from "../nt/services/registry.ts";
import { sectionServices } from "../nt/services/section.ts";
import { syncServices } from "../nt/services/sync.ts";
import { systemServices } from "../nt/services/system.ts";
import { threadServices } from "../nt/services/thread.ts";
import { tokenServices } from "../nt/services/token.ts";
import { x86Services } from "../guest/x86/services.ts";
import { createProcessServices } from "../guest/x86/createprocess.ts";
import { nlsServices } from "../guest/x86/nls.ts";
import type { X86Guest } from "../guest/x86/threads.ts";

/** All services, in a fixed order: the built-in ntdll numbers them by it. */
export function allServices(guest: () => X86Guest): readonly NtService[] {
  return [
    ...memoryServices,
    ...sectionServices,
    ...objectServices,
    ...syncServices,
    ...threadServices,
    ...threadQueryServices,
    ...processQueryServices,
    ...systemServices,
    ...powerServices,
    ...fileServices,
    ...registryServices,
    ...tokenServices,
    ...privilegeServices,
    ...namespaceServices,
    ...completionServices,
    ...jobServices,
    ...fileLockServices,
    ...debugServices,
    ...x86Services(guest),
    ...createProcessServices(guest),
    ...nlsServices(guest),
    ...lpcServices,
  ];
}
