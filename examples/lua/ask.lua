-- Asks for a key: 1 rings an extension, 9 ends the call, anything else goes where the Site says.
-- The Site: LuaScript("ask", "examples/lua/ask.lua", number=6400, otherwise=extension(1002))
session:answer()
local prompt = "tone_stream://%(400,100,880);loops=6"
local key = session:playAndGetDigits(1, 1, 1, 8000, "#", prompt, "", "[0-9]")
if key == "1" then
  session:transfer("1001", "XML", "default")
elseif key == "9" then
  session:hangup("NORMAL_CLEARING")
end
