// A plugin that brings a whole engine: each job's output is its input, and jobs of the model
// "silent" never end by themselves. Attempts run side by side, on the session's thread.
#include "runtime/engine/engine.hpp"

#include <map>

#ifndef ECHO_KIND
// The engine's kind: tayfa-engine compares it with the one that it wants.
#define ECHO_KIND "echo"
#endif

namespace tayfa::engine {
namespace {

class echo_engine final : public engine {
 public:
  echo_engine(sink& out, const time_source& time) : out_(out), time_(time) {}

  std::string kind() const override { return ECHO_KIND; }
  std::string device() const override { return "echo chamber"; }
  std::uint32_t capacity() const override { return 3; }
  bool continuous() const override { return true; }

  void load(const protocol::load_model& m) override {
    protocol::load_finished done;
    done.model = m.model;
    done.ok = true;
    out_.emit(done);
  }
  void start(const protocol::assign& m) override {
    out_.emit(protocol::started{m.attempt});
    running_[m.attempt] = time_.now();
    if (m.model != "silent") {
      protocol::finished end;
      end.attempt = m.attempt;
      end.output = m.input;
      finish(std::move(end));
    }
  }
  void cancel(const attempt_ref& attempt) override {
    if (running_.contains(attempt)) {
      protocol::finished end;
      end.attempt = attempt;
      end.how = protocol::outcome::cancelled;
      finish(std::move(end));
    }
  }
  std::uint32_t running() const override { return static_cast<std::uint32_t>(running_.size()); }
  void wake(moment) override {}

 private:
  void finish(protocol::finished end) {
    running_.erase(end.attempt);
    out_.emit(std::move(end));
  }

  sink& out_;
  const time_source& time_;
  std::map<attempt_ref, moment> running_;
};

} // namespace
} // namespace tayfa::engine

extern "C" std::uint32_t tayfa_plugin_version() {
  return tayfa::engine::plugin_version;
}

extern "C" tayfa::engine::engine* tayfa_make_engine(tayfa::engine::sink& out,
                                                    const tayfa::time_source& time) {
  return new tayfa::engine::echo_engine(out, time);
}

extern "C" void tayfa_check_machine(std::string& out) {
  out =
      R"({"rows":[{"name":"walls","verdict":"reduced","value":"thin","advice":"use stone","ms":1}]})";
}
