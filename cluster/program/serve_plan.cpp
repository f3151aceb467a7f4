#include "cluster/program/serve_plan.hpp"

#include "actors/queue_limits.hpp"
#include "runtime/config/engine_settings.hpp"

#include <algorithm>
#include <iterator>

namespace tayfa {

namespace {

constexpr int failed_test = 1; ///< also the SDK's code for unusable input
constexpr int unfit_for_runpod = 1;
constexpr int unfit = 69;
constexpr std::size_t name_most = 64;

log_options log_from(const config& c, bool on_endpoint) {
  log_options o;
  o.level = log_level_from(c.log_level).value_or(log_level::info);
  const auto usual = on_endpoint ? log_format::runpod : log_format::text; // of "auto"
  o.format = log_format_from(c.log_format).value_or(usual);
  o.file = c.log_file;
  return o;
}

result<void> choose_engine(serve_plan& plan, const std::string& program_folder) {
  const auto& c = plan.knobs;
  plan.engines = engines_of(c); // one that needs a model has one, or no slots (relations.cpp)
  const auto kinds = plan.engines.kinds();
  const auto runs_models = [](const engine_kind& kind) { return kind.runs_models(); };
  if (std::none_of(kinds.begin(), kinds.end(), runs_models) && !c.engine_models.empty()) {
    return fail(errc::bad_config,
                "engine.models: the " + plan.engines.usual +
                    " engine runs no model; leave --model out, or take --engine " +
                    std::string{default_engine(true).name});
  }
  plan.program = c.engine_program.empty() ? program_folder + "/tayfa-engine" : c.engine_program;
  return {};
}

/// The mode, and the configuration with everything that the environment implies.
result<std::pair<mode_choice, config>> configure(const serve_request& asked) {
  const auto& environment = asked.sources.environment;
  auto choice = choose_mode(asked.sdk, asked.as_worker, environment);
  if (!choice) {
    return fail(choice.error());
  }
  auto sources = asked.sources;
  sources.firm = choice->firm;
  sources.assumed = choice->assumed;
  auto loaded = load_config(sources);
  if (!loaded) {
    return fail(loaded.error());
  }
  if (auto assumed = assume_load_balancer(environment, *loaded, *choice); !assumed) {
    return fail(assumed.error());
  }
  std::ranges::move(budgets_of(engines_of(loaded->values).kinds()),
                    std::back_inserter(choice->assumed));
  if (choice->assumed.size() > sources.assumed.size()) {
    sources.assumed = choice->assumed;
    loaded = load_config(sources);
    if (!loaded) {
      return fail(loaded.error());
    }
  }
  return std::pair{std::move(*choice), std::move(loaded->values)};
}

/// The name under which a pod joins: characters that names may not have become dashes.
std::string name_from(const std::string& host_name) {
  std::string name = host_name.substr(0, name_most);
  for (auto& c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    c = fits ? c : '-';
  }
  return name.empty() ? "pod" : name;
}

result<void> plan_link(serve_plan& plan, const serve_request& asked,
                       const serve_surroundings& here) {
  plan.release = here.release;
  plan.as_pod = asked.as_pod;
  if (!asked.as_pod) {
    return {};
  }
  if (plan.mode != serve_mode::pod) {
    return fail(errc::bad_usage, "tayfa pod gets its jobs from its head: it is no worker of "
                                 "RunPod's platform, and runs no test input");
  }
  if (!plan.knobs.link_listen.empty()) {
    return fail(errc::bad_config, "link.listen: a pod that has a head is no head itself");
  }
  if (plan.knobs.engine_slots == 0) {
    return fail(errc::bad_config, "engine.slots: a pod that has a head needs at least one slot");
  }
  const auto given = variable(asked.sources.environment, "TAYFA_JOIN");
  plan.join = secret_text{asked.join.empty() ? given.value_or("") : asked.join};
  plan.pod_name = asked.pod_name.empty() ? name_from(here.host_name) : asked.pod_name;
  if (name_from(plan.pod_name) != plan.pod_name) {
    return fail(errc::bad_usage,
                "--name takes 1 to 64 characters A-Z a-z 0-9 . _ -, not " + plan.pod_name);
  }
  return {};
}

result<serve_plan> plan_pod(const serve_request& asked, const serve_surroundings& here) {
  auto configured = configure(asked);
  if (!configured) {
    return fail(configured.error());
  }
  auto& [choice, knobs] = *configured;
  serve_plan plan;
  plan.mode = choice.mode;
  plan.remarks = std::move(choice.remarks);
  plan.knobs = std::move(knobs);
  if (plan.mode == serve_mode::test_input || plan.mode == serve_mode::test_file) {
    plan.knobs.store_kind = "memory"; // a test leaves nothing behind
  }
  plan.on_endpoint = variable(asked.sources.environment, "RUNPOD_ENDPOINT_ID").has_value();
  plan.log = log_from(plan.knobs, plan.on_endpoint);
  plan.limits = limits_from(plan.knobs);
  if (auto linked = plan_link(plan, asked, here); !linked) {
    return fail(linked.error());
  }
  if (auto chosen = choose_engine(plan, here.program_folder); !chosen) {
    return fail(chosen.error());
  }
  if (plan.mode == serve_mode::worker) {
    auto settings = runpod::settings_from(asked.sources.environment, here.made_up_id);
    if (!settings) {
      return fail(settings.error());
    }
    plan.runpod = std::move(*settings);
    auto limits = system_limits_from(asked.sources.environment,
                                     {plan.knobs.pod_data, plan.knobs.runpod_network_check,
                                      plan.knobs.engine_on_unfit == "go_on"});
    if (!limits) {
      return fail(limits.error());
    }
    plan.fitness = std::move(*limits);
  }
  return plan;
}

serve_refusal refused(error why) {
  return {std::move(why), {}, {}, {}, {}};
}

/// The refusal of a test that cannot run, in the SDK's words.
serve_refusal unusable(const serve_plan& plan, log_level level, const std::string& text) {
  serve_refusal out = refused({errc::bad_input, text});
  out.exit_code = failed_test;
  out.lines = plan.test_lines;
  out.lines.push_back({level, text});
  return out;
}

tl::expected<void, serve_refusal> plan_test(serve_plan& plan, const serve_request& asked,
                                            const serve_surroundings& here) {
  std::string text;
  if (plan.mode == serve_mode::test_input) {
    plan.test_lines.push_back({log_level::info, "test_input set, using test_input as job input."});
    text = asked.sdk.test_input.value_or("");
  } else {
    auto file = here.test_file();
    if (!file) {
      return tl::unexpected(unusable(plan, log_level::error, file.error().text));
    }
    if (!*file) {
      return tl::unexpected(unusable(plan, log_level::warn, "test_input.json not found, exiting."));
    }
    plan.test_lines.push_back({log_level::info, "Using test_input.json as job input."});
    text = std::move(**file);
  }
  if (plan.knobs.engine_slots == 0) {
    return tl::unexpected(
        refused({errc::bad_config, "engine.slots: a test needs at least one slot"}));
  }
  if (text.size() > plan.knobs.http_runsync_body_max) {
    return tl::unexpected(
        unusable(plan, log_level::error, "The test input is larger than http.runsync_body_max."));
  }
  auto job = read_test_job(text);
  if (!job) {
    return tl::unexpected(unusable(plan, log_level::error, job.error().text));
  }
  plan.test = std::move(*job);
  return {};
}

} // namespace

tl::expected<serve_plan, serve_refusal> plan_serve(const serve_request& asked,
                                                   const serve_surroundings& here) {
  auto planned = plan_pod(asked, here);
  if (!planned) {
    return tl::unexpected(refused(planned.error()));
  }
  auto& plan = *planned;
  if (asked.as_worker || plan.mode == serve_mode::worker) {
    plan.start_line = "--- Starting Serverless Worker |  Version " +
                      std::string{runpod::contract_version} + " ---";
  }
  if (plan.mode == serve_mode::test_input || plan.mode == serve_mode::test_file) {
    if (auto tested = plan_test(plan, asked, here); !tested) {
      auto& refusal = tested.error();
      refusal.start_line = plan.start_line;
      refusal.on_endpoint = plan.on_endpoint;
      std::erase_if(refusal.lines, [&plan](const sdk_line& l) { return l.level < plan.log.level; });
      return tl::unexpected(std::move(refusal));
    }
  }
  return std::move(plan);
}

int exit_code_of(const serve_plan& plan, int pod_code, std::optional<int> test_code) {
  if (plan.mode == serve_mode::worker && pod_code == unfit) {
    return unfit_for_runpod;
  }
  return plan.test && pod_code == 0 ? test_code.value_or(failed_test) : pod_code;
}

} // namespace tayfa
