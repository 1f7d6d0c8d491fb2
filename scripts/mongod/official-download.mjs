// Run as `node official-download.mjs VERSION FOLDER`; prints progress, and at the end `path …`.
// The downloader checks certificates only if npm's strict-ssl is set, and takes its limits from the environment.
process.env.npm_config_strict_ssl = "true";
process.env.MONGOMS_MAX_RETRIES = "1";
const { MongoBinaryDownload } = await import("mongodb-memory-server-core/lib/util/MongoBinaryDownload.js");

const [version, downloadDir] = process.argv.slice(2);
try {
  const { getOS } = await import("mongodb-memory-server-core/lib/util/getos/index.js");
  const download = new MongoBinaryDownload({ version, downloadDir, checkMD5: true, os: await getOS() });
  console.log(`path ${await download.getMongodPath()}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
