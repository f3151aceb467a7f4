#include "cluster/program/serve_plan.hpp"

#include "actors/queue_limits.hpp"

namespace tayfa {

namespace {

log_options log_from(const config& c, bool on_runpod) {
  log_options o;
  for (const auto level : {log_level::debug, log_level::info, log_level::warn, log_level::error}) {
    if (to_string(level) == c.log_level) {
      o.level = level;
    }
  }
  if (c.log_format == "json") {
    o.format = log_format::json;
  } else if (c.log_format == "runpod" || (c.log_format == "auto" && on_runpod)) {
    o.format = log_format::runpod;
  }
  o.file = c.log_file;
  return o;
}

} // namespace

result<serve_plan> plan_serve(const config& c, const serve_surroundings& here) {
  serve_plan plan{c, limits_from(c), log_from(c, here.on_runpod), c.engine_kind, c.engine_program};
  const auto& models = c.engine_models.items();
  if (plan.engine == "auto") {
    plan.engine = models.empty() ? "scripted" : "torch";
  }
  if (plan.engine == "torch" && models.empty() && c.engine_slots > 0) {
    return fail(errc::bad_config, "engine.models: the torch engine needs --model FILE");
  }
  if (plan.engine == "scripted" && !models.empty()) {
    return fail(errc::bad_config, "engine.models: the scripted engine runs no model; leave --model "
                                  "out, or take --engine torch");
  }
  if (plan.program.empty()) {
    plan.program = here.program_folder + "/tayfa-engine";
  }
  return plan;
}

} // namespace tayfa
