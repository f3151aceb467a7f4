// tayfa slots, drain, undrain, resize.
#include "messages/slots.hpp"
#include "runtime/cli/answer.hpp"
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/pod_views.hpp"

#include <CLI/CLI.hpp>
#include <memory>

namespace tayfa {

namespace {

struct slot_options {
  target_options at;
  std::uint32_t number = 0;
};

int show(const target_options& at, const pod_client::answer& answer) {
  const auto slots = read_answer(api::slots_fields, answer);
  if (!slots) {
    return complain(slots.error());
  }
  at.json ? print_json(answer->text) : print(slots_text(*slots, output_width()));
  return exit_ok;
}

void add_drain(CLI::App& app, int& exit_code, bool on) {
  auto o = std::make_shared<slot_options>();
  auto* const cmd = on ? app.add_subcommand("drain", "let a slot finish and give it no more jobs")
                       : app.add_subcommand("undrain", "give a drained slot jobs again");
  add_target(*cmd, o->at);
  cmd->add_option("slot", o->number, "the slot's number")
      ->check(CLI::Range(0U, slots_max - 1))
      ->required();
  cmd->callback(
      [o, on, &exit_code] { exit_code = show(o->at, o->at.client().drain(o->number, on)); });
}

} // namespace

void add_slot_commands(CLI::App& app, int& exit_code) {
  auto at = std::make_shared<target_options>();
  auto* const slots = app.add_subcommand("slots", "the pod's slots and what they do");
  add_target(*slots, *at);
  slots->callback([at, &exit_code] { exit_code = show(*at, at->client().slots()); });

  add_drain(app, exit_code, true);
  add_drain(app, exit_code, false);

  auto o = std::make_shared<slot_options>();
  auto* const resize = app.add_subcommand("resize", "change the number of slots");
  add_target(*resize, o->at);
  resize->add_option("count", o->number, "the new number of slots")
      ->check(CLI::Range(0U, slots_max))
      ->required();
  resize->callback([o, &exit_code] { exit_code = show(o->at, o->at.client().resize(o->number)); });
}

} // namespace tayfa
