#include "runtime/cli/workers/commands.hpp"

#include "runtime/base/secrets.hpp"
#include "runtime/cli/answer.hpp"
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/workers/worker_env.hpp"
#include "runtime/cli/workers/worker_views.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

namespace tayfa {

namespace {

struct env_options {
  worker_place_options place;
  env_format format = env_format::env;
};

int show_env(env_options& o) {
  if (o.place.worker.empty()) {
    o.place.worker = "worker-" + system_secrets{}.uuid().substr(0, 8);
  }
  const auto all = worker_variables(o.place);
  if (!all) {
    return complain({exit_usage, all.error().text, 0});
  }
  print(env_text(*all, o.format));
  return exit_ok;
}

void add_env(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<env_options>();
  auto* const cmd = app.add_subcommand(
      "worker-env",
      "print the environment that makes a container built on RunPod's SDK pull jobs from this pod");
  cmd->add_option("--url", o->place.url, "the pod, as the worker reaches it")->required();
  cmd->add_option("--endpoint", o->place.endpoint, "the endpoint whose jobs the worker takes")
      ->capture_default_str();
  cmd->add_option("--worker-id", o->place.worker, "the worker's own name; made up when absent");
  cmd->add_option("--key", o->place.key, "API key for workers, where the pod asks for one");
  cmd->add_option("--gpu", o->place.gpu, "kind of device, such as \"NVIDIA L4\"");
  cmd->add_option("--ping-interval", o->place.ping_ms,
                  "milliseconds between pings, as workers.ping_interval of the pod")
      ->capture_default_str();
  const std::map<std::string, env_format> formats{
      {"env", env_format::env}, {"docker", env_format::docker}, {"export", env_format::export_}};
  cmd->add_option("--format", o->format,
                  "env: for docker run --env-file; docker: -e options; export: for a shell")
      ->transform(CLI::CheckedTransformer(formats));
  cmd->callback([o, &exit_code] { exit_code = show_env(*o); });
}

int show_workers(const target_options& at) {
  const auto answer = at.client().workers();
  const auto workers = read_answer(api::remotes_fields, answer);
  if (!workers) {
    return complain(workers.error());
  }
  at.json ? print_json(answer->text) : print(workers_text(*workers, output_width()));
  return exit_ok;
}

} // namespace

void add_workers_commands(CLI::App& app, int& exit_code) {
  auto at = std::make_shared<target_options>();
  auto* const workers = app.add_subcommand("workers", "the remote workers and what they do");
  add_target(*workers, *at);
  workers->callback([at, &exit_code] { exit_code = show_workers(*at); });
  add_env(app, exit_code);
}

} // namespace tayfa
