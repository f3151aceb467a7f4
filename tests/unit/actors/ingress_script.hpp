// The ingress between clients and a queue that the script plays.
#pragma once

#include "actors/ingress.hpp"
#include "tests/unit/actors/actor_script.hpp"
#include "tests/unit/actors/stand_in_queue.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::testing {

/// A client with one call: the end of its connection, and what it was answered.
struct test_client {
  std::optional<api::response> answer;
  receipt delivery; ///< of the answer
  std::shared_ptr<presence> connection = std::make_shared<presence>();
  reply_ptr reply =
      std::make_shared<tayfa::reply>(tayfa::reply::responder{[this](api::response r, receipt left) {
                                       answer = std::move(r);
                                       delivery = std::move(left);
                                     }},
                                     connection);

  test_client() = default;
  test_client(const test_client&) = delete;
  test_client& operator=(const test_client&) = delete;

  /// "200 {…}"; "" while it waits.
  std::string text() const {
    return answer ? std::to_string(answer->status) + " " + answer->whole_body() : "";
  }
};
using client_ptr = std::shared_ptr<test_client>;

struct ingress_script : actor_script {
  ingress_script() {
    directory.supervisor = stand_in<supervisor_actor>(supervisor);
    directory.remote = stand_in<remote_workers_actor>(remote);
    directory.health = stand_in<health_actor>(health);
    new_queue();
    tested = spawn<runpod_ingress, ingress_actor>();
    directory.ingress = tested;
    settle();
  }
  ~ingress_script() { directory = {}; }

  void new_queue() { directory.queue = stand_in<queue_actor, stand_in_queue>(queue); }
  /// The pod serves.
  void start() {
    tell(tested, directory);
    tell(tested, pod_moved{pod_state::READY, true});
  }
  client_ptr calls(api::call call) {
    auto one = std::make_shared<test_client>();
    tell(tested, client_call{std::move(call), std::exchange(one->reply, nullptr)});
    return one;
  }
  client_ptr runsync(milliseconds wait = std::chrono::seconds{5}) {
    api::submit call;
    call.who.endpoints = {"tayfa"};
    call.job.endpoint = "tayfa";
    call.job.sync = true;
    call.wait = wait;
    return calls(std::move(call));
  }
  client_ptr status_sync(const std::string& job, milliseconds wait = std::chrono::seconds{5}) {
    api::status call;
    call.ask.who.endpoints = {"tayfa"};
    call.ask.id = id(job);
    call.wait = wait;
    return calls(std::move(call));
  }
  client_ptr stream(const std::string& job, milliseconds wait = std::chrono::seconds{5}) {
    api::stream call;
    call.ask.id = id(job);
    call.wait = wait;
    return calls(std::move(call));
  }
  void leaves(const client_ptr& client) {
    client->connection->left();
    settle();
  }
  void receives(const client_ptr& client, bool all = true) {
    client->delivery.say(all);
    settle();
  }
  template <class Answer>
  void queue_says(Answer a) {
    settle();
    caf::anon_send(caf::actor_cast<caf::actor>(directory.queue), std::move(a));
    settle();
  }
  void queue_dies() {
    caf::anon_send_exit(directory.queue, caf::exit_reason::kill);
    settle();
  }
  void ends(caf::exit_reason how) {
    caf::anon_send_exit(tested, how);
    settle();
  }
  /// The messages that the queue got since the last call.
  std::vector<std::string> messages() { return std::exchange(queue.messages, {}); }

  static job_id id(const std::string& text) { return job_id::parse(text).value(); }
  static job_view view(const job_id& id, job_state as) {
    job_view v;
    v.id = id;
    v.state = as;
    if (as == job_state::COMPLETED) {
      v.output = shared_text{"1"};
    }
    return v;
  }
  static job_view view(const std::string& job, job_state as) { return view(id(job), as); }
  static stream_answer unread(const std::string& job, job_state as,
                              const std::vector<std::string>& chunks, std::uint64_t last) {
    unread_chunks all;
    all.view = view(job, as);
    for (const auto& each : chunks) {
      all.chunks.emplace_back(each);
    }
    all.last = last;
    return {all};
  }

  stand_in_queue::seen queue;
  stand_in_actor::seen supervisor, remote, health;
  actor_directory directory;
  ingress_actor tested;
};

} // namespace tayfa::testing
