-- Each request guesses a password of another login from another network, as a declared proxy tells it: PAUSE (ms), half to
-- twice, since connections that pause alike would soon all guess in the same moment.
-- Ends with how many were judged (401) and how many told to come again (503).
local pause, at = 100, 0
local threads = {}
salt, judged, later = 0, 0, 0
function setup(thread) table.insert(threads, thread); thread:set("salt", #threads) end
function init(args) pause = tonumber(args[1] or 100); at = salt * 1000000 end
function delay() return math.random(0, 2 * pause) end
function request()
  at = at + 1
  local from = string.format("%d.%d.%d.1", 11 + at % 200, math.floor(at / 200) % 250, math.floor(at / 50000) % 250)
  return wrk.format("POST", "/api/v1/session", { ["Content-Type"] = "application/json", ["X-Forwarded-For"] = from,
    ["Sec-Fetch-Site"] = "same-origin" }, '{"login":"bench' .. at .. '@city.test","password":"a wrong password"}')
end
function response(status)
  if status == 401 then judged = judged + 1 elseif status == 503 then later = later + 1 end
end
function done(summary)
  local all = { judged = 0, later = 0 }
  for _, thread in ipairs(threads) do
    all.judged = all.judged + thread:get("judged"); all.later = all.later + thread:get("later")
  end
  local seconds = summary.duration / 1000000
  io.write(string.format("judged %.1f a second, told to come again %.1f a second\n",
    all.judged / seconds, all.later / seconds))
end
