// A plugin in the form of the torch engine's: it makes a blocking model, and says nothing of its
// version.
#include "runtime/engine/engine.hpp"

namespace tayfa::engine {
namespace {

class shout_model final : public blocking_model {
 public:
  std::string kind() const override { return "shout"; }
  std::string device() const override { return "megaphone"; }
  result<load_report> load(const protocol::load_model&) override { return load_report{3, 4, {}}; }
  result<std::string> run(std::string_view, std::string_view input, const cancel_token&,
                          run_events&) override {
    return R"({"shouted":)" + std::string{input} + "}";
  }
};

} // namespace
} // namespace tayfa::engine

extern "C" tayfa::engine::blocking_model* tayfa_make_blocking_model() {
  return new tayfa::engine::shout_model;
}

extern "C" void tayfa_check_machine(std::string& out) {
  out = "not JSON";
}
