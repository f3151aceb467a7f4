// The model loader where slots have engines of several kinds: what each worker is granted, and what
// the queue learns of the catalogue.
#include "actors/model_loader.hpp"

#include "tests/unit/actors/actor_script.hpp"

#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

/// Stands for the queue and the supervisor.
class listener : public caf::event_based_actor {
 public:
  struct seen {
    std::vector<std::string> models; ///< "net torchscript", as the queue learned them last
    std::string checked;             ///< "2", or the error
  };
  listener(caf::actor_config& cfg, seen& all) : caf::event_based_actor(cfg), all_(all) {}

  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return {[this](const models_known& m) {
              all_.models.clear();
              for (const auto& model : m.models) {
                all_.models.push_back(model.name + " " + model.kind);
              }
            },
            [this](const catalogue_checked& m) {
              all_.checked = m.models ? std::to_string(*m.models) : m.models.error().str();
            }};
  }

 private:
  seen& all_;
};

model_entry file(std::string name, std::string_view kind) {
  return {name, "/models/" + name, "{}", 1'000, std::string{kind}};
}

struct loader_script : actor_script {
  loader_script(const slot_engines& kinds, std::vector<model_entry> files) {
    knobs.engine_slots = 2;
    models.entries = std::move(files);
    tested = spawn<model_loader, model_loader_actor>(kinds);
    const auto other = system.spawn<listener>(seen);
    others.push_back(other);
    actor_directory directory;
    directory.dispatcher = caf::actor_cast<dispatcher_actor>(other);
    directory.supervisor = caf::actor_cast<supervisor_actor>(other);
    tell(tested, directory);
    tell(tested, check_catalogue{});
  }
  ~loader_script() {
    for (const auto& other : others) {
      caf::anon_send_exit(other, caf::exit_reason::kill);
    }
  }

  /// The model that an engine of this kind is to load.
  std::string granted(const std::string& engine, const std::string& wanted = {}) {
    caf::scoped_actor self{system};
    auto answer = self->request(tested, caf::infinite, want_model{{slot_id{0}, 1}, wanted, engine});
    settle();
    std::string out = "no answer";
    answer.receive([&](const model_granted& m) { out = m.load.model + " " + m.load.path; },
                   [](const caf::error& e) { ADD_FAILURE() << caf::to_string(e); });
    return out;
  }

  listener::seen seen;
  model_loader_actor tested;
  std::vector<caf::actor> others;
};

using texts = std::vector<std::string>;
const slot_engines mixed{"torch", {{1, "scripted"}}};

TEST(model_loader, engines_of_one_kind_know_the_files_only) {
  loader_script s{{"torch"}, {file("net", torchscript_model), file("two", aot_inductor_model)}};
  EXPECT_EQ(s.seen.models, (texts{"net torchscript", "two aot_inductor"}));
  EXPECT_EQ(s.granted("torch"), "net /models/net");
  EXPECT_EQ(s.granted("torch", "two"), "two /models/two");
  EXPECT_EQ(s.granted("torch", "unknown"), "net /models/net");
}

TEST(model_loader, an_engine_that_runs_no_files_is_granted_none) {
  loader_script s{{"scripted"}, {}};
  EXPECT_EQ(s.seen.models, texts{});
  EXPECT_EQ(s.granted("scripted"), " ");
}

TEST(model_loader, where_kinds_are_mixed_one_without_files_is_asked_for_by_its_name) {
  loader_script s{mixed, {file("net", torchscript_model)}};
  EXPECT_EQ(s.seen.models, (texts{"net torchscript", "scripted scripted"}))
      << "the first file stays the default";
  EXPECT_EQ(s.seen.checked, "2");
}

TEST(model_loader, each_engine_is_granted_only_what_its_kind_runs) {
  loader_script s{mixed, {file("net", torchscript_model), file("two", aot_inductor_model)}};
  EXPECT_EQ(s.granted("torch"), "net /models/net");
  EXPECT_EQ(s.granted("torch", "two"), "two /models/two");
  EXPECT_EQ(s.granted("torch", "scripted"), "net /models/net");
  EXPECT_EQ(s.granted("scripted"), "scripted ");
  EXPECT_EQ(s.granted("scripted", "net"), "scripted ");
}

TEST(model_loader, each_kind_of_a_pod_needs_something_to_run) {
  loader_script none{mixed, {}};
  EXPECT_NE(none.seen.checked.find("no file in engine.models is for the torch engine"),
            std::string::npos)
      << none.seen.checked;
  loader_script clash{mixed, {file("scripted", torchscript_model)}};
  EXPECT_NE(clash.seen.checked.find("may not have the name of a kind"), std::string::npos)
      << clash.seen.checked;
  EXPECT_EQ(clash.seen.models, texts{});
}

TEST(model_loader, the_entry_of_a_kind_has_no_file_that_could_be_looked_at_again) {
  loader_script s{mixed, {file("net", torchscript_model)}};
  s.tell(s.tested, model_refused{{slot_id{1}, 1}, "scripted", {errc::model_invalid, "no"}});
  EXPECT_EQ(s.granted("scripted"), "scripted ") << "its next engine does not wait for a file";
  s.tell(s.tested, check_catalogue{});
  EXPECT_EQ(s.seen.models, (texts{"net torchscript", "scripted scripted"}));
}

} // namespace
} // namespace tayfa::testing
