#include "runtime/config/knobs.hpp"
#include "runtime/config/relations.hpp"
#include "runtime/config/render.hpp"

namespace tayfa {

namespace {

constexpr std::string_view introduction = R"(# Configuration

`tayfa config --markdown` generates this page from the table in `runtime/config/knobs.inc`; a test
compares the two. Change the table, then generate the page again:
`build/tayfa config --markdown > docs/configuration.md`.

Every setting has a default and can be given in three places. The later one wins:

1. the file named by `--config`, in TOML: `[http]` and below it `listen = "127.0.0.1:8000"`
2. the environment: `TAYFA_HTTP_LISTEN=127.0.0.1:8000`
3. a flag: `--http.listen 127.0.0.1:8000`, or its short form where a table below names one

- Durations are written `1500ms`, `2s`, `10m`, `1h`, or as a bare number of milliseconds.
- Lists are written with commas, `a,b`; in the file also as an array; a flag may be repeated. A
  later place replaces the whole list.
- Nothing is ignored. These are errors: an unknown section, setting or `TAYFA_` name of a section, a
  value of the wrong kind or out of its bounds, a flag that is given twice. All of them are reported
  at once, each with its place, and the program ends with exit code 65.
- `tayfa config` prints each setting, its value and where it came from; `tayfa config --toml`
  writes a file to start from.
)";

/// Text for a table cell: a bar would end it.
std::string cell(std::string_view s) {
  std::string out;
  for (const char c : s) {
    out += c == '|' ? std::string{"\\|"} : std::string(1, c);
  }
  return out;
}

std::string code(std::string_view s) {
  return "`" + cell(s) + "`";
}

std::string table_row(const knob& row) {
  const std::string standard = row.read(config{}).text;
  const std::string unit = row.unit.empty() ? "" : " " + std::string{row.unit};
  std::string out = "| " + code(row.key);
  out += " | " + (standard.empty() ? std::string{"empty"} : code(standard) + unit);
  out += " | " + cell(allowed_values(row));
  out += " | " + (row.flag.empty() ? std::string{} : code(row.flag));
  out += " | " + code(environment_name(row));
  out += " | " + cell(row.text);
  return out + " |\n";
}

} // namespace

std::string render_markdown() {
  std::string out{introduction};
  std::string_view section;
  for (const auto& row : knobs()) {
    if (row.section != section) {
      section = row.section;
      out += "\n## " + std::string{section} + "\n\n";
      out += "| setting | default | allowed | short flag | environment | meaning |\n";
      out += "| --- | --- | --- | --- | --- | --- |\n";
    }
    out += table_row(row);
  }
  out += "\n## Rules between settings\n\n";
  for (const auto& r : relations()) {
    out += "- " + std::string{r.rule} + "\n";
  }
  return out;
}

} // namespace tayfa
