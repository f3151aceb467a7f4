#include "runtime/pods/pod_join.hpp"

#include <utility>

namespace tayfa::pods {

namespace wire = pod_protocol;

namespace {

constexpr std::chrono::seconds patience{15};

join_answer answer_in(const wire::downstream& m) {
  if (const auto* joined = std::get_if<wire::joined>(&m)) {
    return joined->head;
  }
  const auto* refused = std::get_if<wire::refused>(&m);
  if (refused == nullptr) {
    return fail(errc::unavailable, "the head answered with another message");
  }
  const bool for_ever = refused->why == wire::refusal::join_expired;
  return fail(for_ever ? errc::unauthorized : errc::unavailable, refused->text);
}

} // namespace

pod_join::pod_join(std::uint64_t incarnation, join_request request, send_function send)
    : request_(std::move(request)), send_(std::move(send)), link_(incarnation, 0, budget_) {}

void pod_join::flush(moment now) {
  link_.flush(now, [this](const link_message& m) { return send_(m) == sent::yes; });
}

std::optional<join_answer> pod_join::on(moment now, const connector_event& event) {
  if (const auto* ended = std::get_if<connection_ended>(&event)) {
    until_.reset();
    if (ended->why == cut::refused) {
      return fail(errc::unauthorized, "the head does not know the token (any more): it is used, "
                                      "expired or of another head");
    }
    if (ended->why == cut::wrong_head_key) {
      return fail(errc::unauthorized, "the peer at this address is not the head of the token");
    }
    return fail(errc::unavailable, "the head cannot be reached: " + ended->text);
  }
  if (std::holds_alternative<connected>(event)) {
    until_ = now + patience;
    link_.link().connected(now);
    link_.send(wire::join{request_.key, request_.name, request_.release});
  } else if (const auto* m = std::get_if<message_in>(&event)) {
    const auto arrival = link_.receive(m->bytes, now);
    if (arrival && !arrival->frame.empty()) {
      const auto read = link_.decode(arrival->frame);
      until_.reset();
      return read ? answer_in(read->body) : fail(read.error());
    }
  }
  flush(now);
  return std::nullopt;
}

std::optional<join_answer> pod_join::expire(moment now) const {
  if (!until_ || now < *until_) {
    return std::nullopt;
  }
  return fail(errc::unavailable, "the head does not answer");
}

} // namespace tayfa::pods
