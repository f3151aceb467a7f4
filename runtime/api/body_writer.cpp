#include "runtime/api/body_writer.hpp"

#include <tuple>

namespace tayfa::api {

body_writer& body_writer::shared(const shared_text& part) {
  if (part.size() < piece_least) {
    return text(part.view());
  }
  close_piece();
  more_.push_back(part);
  return *this;
}

void body_writer::close_piece() {
  if (more_.empty()) {
    body_ = std::exchange(last_, {});
  } else if (!last_.empty()) {
    more_.emplace_back(std::exchange(last_, {}));
  }
}

std::pair<std::string, std::vector<shared_text>> body_writer::done() {
  close_piece();
  return {std::exchange(body_, {}), std::exchange(more_, {})};
}

response body_writer::answer() {
  response made;
  std::tie(made.body, made.more) = done();
  return made;
}

std::size_t response::body_size() const {
  std::size_t bytes = body.size();
  for (const auto& piece : more) {
    bytes += piece.size();
  }
  return bytes;
}

std::string response::whole_body() const {
  std::string whole;
  whole.reserve(body_size());
  whole += body;
  for (const auto& piece : more) {
    whole += piece.view();
  }
  return whole;
}

} // namespace tayfa::api
