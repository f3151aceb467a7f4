// An answer's body in pieces: its own text and shared texts, written one after the other without
// copying. A Body in Beast's sense.
#pragma once

#include "messages/fields.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

struct pieces_body {
  struct value_type {
    std::string text;
    std::vector<shared_text> more;
  };

  static std::uint64_t size(const value_type& body) {
    std::uint64_t bytes = body.text.size();
    for (const auto& piece : body.more) {
      bytes += piece.size();
    }
    return bytes;
  }

  class writer {
   public:
    /// A view of the writer's list, cheap to copy: Beast copies its buffer sequences often.
    struct const_buffers_type {
      using value_type = boost::asio::const_buffer;
      using const_iterator = const value_type*;
      const_iterator first = nullptr;
      const_iterator last = nullptr;
      const_iterator begin() const { return first; }
      const_iterator end() const { return last; }
    };

    template <bool is_request, class Fields>
    writer(const boost::beast::http::header<is_request, Fields>&, const value_type& body)
        : body_(body) {}
    void init(boost::beast::error_code& ec) {
      ec = {};
      buffers_.reserve(body_.more.size() + 1);
      buffers_.emplace_back(body_.text.data(), body_.text.size());
      for (const auto& piece : body_.more) {
        buffers_.emplace_back(piece.view().data(), piece.size());
      }
    }
    boost::optional<std::pair<const_buffers_type, bool>> get(boost::beast::error_code& ec) {
      ec = {};
      return std::pair{const_buffers_type{buffers_.data(), buffers_.data() + buffers_.size()},
                       false};
    }

   private:
    const value_type& body_;
    std::vector<boost::asio::const_buffer> buffers_;
  };
};

} // namespace tayfa
