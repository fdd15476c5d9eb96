// Without the sources of llama.cpp's Jinja engine, which no installed package has.
#include "chat_template.h"

namespace strop::text {

Result<std::string> apply_chat_template(const std::string&, std::span<const ChatMessage>, bool,
                                        const SpecialTexts&) {
  return Error{ErrorCode::unsupported, "[text] this build has no engine for chat templates.",
               "Build Strop with the SDK that tools/setup makes."};
}

}  // namespace strop::text
