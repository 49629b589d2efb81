/** Pieces that both kinds share. */
import * as z from 'zod';

/** Longest name, so that `<name>-<stage>-a<attempt>-<index>` stays within the 63 characters of a DNS label. */
export const nameLimit = 30;

export const dnsLabel = z.string().regex(/^[a-z]([-a-z0-9]*[a-z0-9])?$/, {
  error: 'lower case letters, digits and "-", starting with a letter',
});

/** Top folders of the volume that are nobody's training: a name like these would mix its stages with them. */
export const reservedNames = ['cache', 'documents', 'models'] as const;

/** Only what a user writes; the rest of ObjectMeta is the API server's and passes through. */
export const metadata = z.looseObject({
  name: dnsLabel.max(nameLimit),
  namespace: dnsLabel.max(63).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

export const modelUri = z
  .string()
  .regex(/^(hf:\/\/[\w.-]+\/[\w.-]+(@[\w./-]+)?|pvc:\/\/[a-z0-9.-]+\/.+|\/.+)$/, {
    error: 'hf://org/name[@revision], pvc://<claim>/<path> or an absolute folder',
  })
  .max(1024)
  .describe('hf://org/name[@revision], pvc://<claim>/<path> or an absolute folder in the pod.');

export const folderUri = z
  .string()
  .regex(/^(pvc:\/\/[a-z0-9.-]+\/.+|\/.+)$/, { error: 'pvc://<claim>/<path> or an absolute path' })
  .max(1024);
