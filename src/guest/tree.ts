import { posix } from 'node:path';

/**
 * A guest's files, as far as a conversion needs to see them. What is converted here are pure functions over such a tree;
 * whoever brings it in (from libguestfs) writes the edits back. Everything in it comes from outside.
 */
export interface GuestTree {
  /** Text of a regular file as `textOf` gives it, null where there is none; links are resolved inside the guest. */
  read(path: string): Promise<string | null>;
  /** Names in a folder, in any order; `[]` where there is none. */
  list(dir: string): Promise<string[]>;
}

/** A change of one file. A path that is a link changes what it points at, inside the guest. */
export interface Edit {
  path: string;
  /** The whole new text, which `bytesOf` makes a file of; null removes the file. */
  text: string | null;
  /** Permission bits of a file that is made; one that exists keeps its own. */
  mode?: number;
}

/** A tree held in memory, from absolute paths to texts. */
export function memoryTree(files: Record<string, string>): GuestTree {
  return new MapTree(new Map(Object.entries(files).map(([path, text]) => [posix.normalize(path), text])));
}

/** The tree as it will be once `edits` are written; later ones win. */
export function withEdits(tree: GuestTree, edits: readonly Edit[]): GuestTree {
  const changed = new Map(edits.map((edit) => [posix.normalize(edit.path), edit.text]));
  const added = new MapTree(new Map([...changed].flatMap(([path, text]) => (text === null ? [] : [[path, text]]))));
  return {
    read: async (path) => {
      const text = changed.get(posix.normalize(path));
      return text === undefined ? tree.read(path) : text;
    },
    list: async (dir) => {
      const kept = (await tree.list(dir)).filter((name) => changed.get(posix.join(dir, name)) !== null);
      return [...new Set([...kept, ...(await added.list(dir))])];
    },
  };
}

class MapTree implements GuestTree {
  constructor(private readonly files: ReadonlyMap<string, string>) {}

  read(path: string): Promise<string | null> {
    return Promise.resolve(this.files.get(posix.normalize(path)) ?? null);
  }

  list(dir: string): Promise<string[]> {
    const prefix = posix.join(dir, '/');
    const names = [...this.files.keys()].filter((path) => path.startsWith(prefix));
    return Promise.resolve([...new Set(names.map((path) => path.slice(prefix.length).split('/')[0] ?? ''))]);
  }
}
