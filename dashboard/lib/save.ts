/** Has the browser keep a file that the page has made. */
export function save(name: string, parts: readonly string[], type = "application/json"): void {
  const url = URL.createObjectURL(new Blob([...parts], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
