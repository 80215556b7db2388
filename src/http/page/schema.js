// Describes JSON schemas: types, limits, and example values. It must not contain anything specific to this server.

const DEPTH_MAX = 8;

/** Follows `$ref` within a document; `allOf` becomes one object. */
export function resolve(schema, root) {
  let found = schema ?? {};
  for (let hops = 0; found.$ref && hops < DEPTH_MAX; hops += 1) {
    found = found.$ref.slice(2).split("/").reduce((node, key) => node?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], root) ?? {};
  }
  if (!found.allOf) return found;
  const parts = found.allOf.map((part) => resolve(part, root));
  const merged = { ...found, type: "object", properties: {}, required: [] };
  for (const part of [...parts, found]) {
    Object.assign(merged.properties, part.properties);
    merged.required.push(...(part.required ?? []));
    if (part.oneOf) merged.oneOf = part.oneOf;
  }
  return merged;
}

/** The alternatives of a schema, if any. */
export const alternatives = (schema) => schema.oneOf ?? schema.anyOf ?? null;

/** The type in short form: "string or null", "array of integer". */
export function kind(schema, root) {
  const found = resolve(schema, root);
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = alternatives(found);
  if (choices && !found.properties) return choices.map((choice) => kind(choice, root)).join(" or ");
  const types = [found.type ?? "anything"].flat();
  return types.map((type) => (type === "array" ? `array of ${kind(found.items ?? {}, root)}` : type)).join(" or ");
}

/** The limits as text. */
export function bounds(schema, root) {
  const found = resolve(schema, root);
  const said = [];
  const span = (least, most, unit) => {
    if (least !== undefined && most !== undefined) said.push(`${least} to ${most}${unit}`);
    else if (most !== undefined) said.push(`at most ${most}${unit}`);
    else if (least !== undefined) said.push(`at least ${least}${unit}`);
  };
  span(found.minLength, found.maxLength, " characters");
  span(found.minimum, found.maximum, "");
  span(found.minItems, found.maxItems, " entries");
  if (found.format && !/^int/.test(found.format)) said.push(found.format);
  if (found.default !== undefined) said.push(`${JSON.stringify(found.default)} if absent`);
  return said.join(", ");
}

const TEXTS = { "date-time": "2025-10-27T12:00:00.250Z", uuid: "01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f" };

/** An example value that satisfies the schema. */
export function sample(schema, root, depth = 0) {
  const found = resolve(schema, root);
  if (found.example !== undefined) return found.example;
  if (found.examples?.length) return found.examples[0];
  if (found.const !== undefined) return found.const;
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  const choices = alternatives(found);
  const first = choices ? sample(choices.find((choice) => choice.type !== "null") ?? choices[0], root, depth + 1) : undefined;
  if (choices && !found.properties) return first;
  const type = [found.type].flat()[0];
  if (type === "object" || found.properties) {
    const made = {};
    if (depth < DEPTH_MAX) {
      for (const [name, field] of Object.entries(found.properties ?? {})) made[name] = sample(field, root, depth + 1);
    }
    return Object.assign(made, first);
  }
  if (type === "array") return depth < DEPTH_MAX && found.items ? [sample(found.items, root, depth + 1)] : [];
  if (type === "string") return TEXTS[found.format] ?? "…";
  if (type === "integer" || type === "number") return found.minimum ?? 0;
  if (type === "boolean") return true;
  return null;
}

/** All fields of an object, including those of nested objects and arrays: {path, schema, needed}. */
export function fields(schema, root, prefix = "", depth = 0) {
  const found = resolve(schema, root);
  if (depth >= DEPTH_MAX) return [];
  if ([found.type].flat().includes("array") && found.items) return fields(found.items, root, `${prefix}[]`, depth + 1);
  const needed = new Set(found.required ?? []);
  const rows = Object.entries(found.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    return [{ path, schema: field, needed: needed.has(name) }, ...fields(field, root, path, depth + 1)];
  });
  const choices = (alternatives(found) ?? []).filter((choice) => resolve(choice, root).properties);
  const seen = new Set(rows.map((row) => row.path));
  for (const row of choices.flatMap((choice) => fields(choice, root, prefix, depth + 1))) {
    if (!seen.has(row.path)) rows.push({ ...row, needed: row.needed && choices.length === 1 });
    seen.add(row.path);
  }
  return rows;
}
