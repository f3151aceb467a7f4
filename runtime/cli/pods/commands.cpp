#include "runtime/cli/pods/commands.hpp"

#include "runtime/cli/answer.hpp"
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/pods/pod_tables.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace tayfa {

namespace {

struct pod_options {
  target_options at;
  std::string pod;
  bool quick = false, fast = false;
};

int show(const target_options& at, const pod_client::answer& answer) {
  const auto pods = read_answer(api::pods_fields, answer);
  if (!pods) {
    return complain(pods.error());
  }
  at.json ? print_json(answer->text) : print(pods_text(*pods, output_width()));
  return exit_ok;
}

CLI::App* add_about_pod(CLI::App& pods, const char* name, const char* text, pod_options& o) {
  auto* const cmd = pods.add_subcommand(name, text);
  add_target(*cmd, o.at);
  cmd->add_option("pod", o.pod, "its name or its public key")->required();
  return cmd;
}

} // namespace

void add_pods_commands(CLI::App& app, int& exit_code) {
  auto all = std::make_shared<target_options>();
  auto* const pods = app.add_subcommand("pods", "the pods of a head, and what they do");
  add_target(*pods, *all);
  pods->require_subcommand(0, 1);
  auto o = std::make_shared<pod_options>();
  auto* const drain =
      add_about_pod(*pods, "drain", "let a pod end what it has, and give it no more jobs", *o);
  auto* const quick = drain->add_flag(
      "--quick", o->quick, "what waits there runs elsewhere, and after half a minute what runs");
  drain->add_flag("--fast", o->fast, "all that it has runs elsewhere, at once")->excludes(quick);
  drain->callback([o, &exit_code] {
    const char* const mode = o->fast ? "fast" : o->quick ? "quick" : "graceful";
    exit_code = show(o->at, o->at.client().drain_pod(o->pod, mode));
  });
  add_about_pod(*pods, "undrain", "give a drained pod jobs again", *o)->callback([o, &exit_code] {
    exit_code = show(o->at, o->at.client().undrain_pod(o->pod));
  });
  pods->callback([pods, all, &exit_code] {
    if (pods->get_subcommands().empty()) {
      exit_code = show(*all, all->client().pods());
    }
  });
}

} // namespace tayfa
