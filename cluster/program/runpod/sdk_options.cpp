#include "cluster/program/runpod/sdk_options.hpp"

#include <CLI/CLI.hpp>

namespace tayfa {

void add_sdk_flags(CLI::App& app, sdk_flags& flags) {
  constexpr const char* group = "flags of RunPod's SDK";
  app.add_flag("--rp_serve_api", flags.serve_api,
               "serve the HTTP API instead of working for the platform")
      ->group(group);
  const auto add = [&app](const char* name, std::optional<std::string>& to, const char* type,
                          const char* text) {
    app.add_option(name, to, text)->type_name(type)->group(group);
  };
  add("--rp_api_port", flags.api_port, "PORT", "its port [default 8000]");
  add("--rp_api_host", flags.api_host, "HOST", "its host [default localhost]");
  add("--rp_api_concurrency", flags.api_concurrency, "COUNT", "--slots, where those are not given");
  add("--rp_log_level", flags.log_level, "LEVEL", "--log-level: ERROR, WARN, INFO or DEBUG");
  add("--test_input", flags.test_input, "JSON",
      "run this one job ({\"input\": …}) and end: 0 when it completed, else 1");
  app.add_flag("--rp_debugger", flags.debugger, "accepted without effect")->group(group);
}

} // namespace tayfa
