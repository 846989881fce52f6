mergeInto(LibraryManager.library, {
  $focusLoop: { socket: null, queue: [], taken: null },

  FocusLoopOpen__deps: ["$focusLoop"],
  FocusLoopOpen: function (url, subprotocol) {
    if (focusLoop.socket) { focusLoop.socket.onclose = null; focusLoop.socket.close(); }
    focusLoop.queue = [];
    var socket = new WebSocket(UTF8ToString(url), UTF8ToString(subprotocol));
    focusLoop.socket = socket;
    socket.onopen = function () { focusLoop.queue.push({ kind: 0, code: 0, text: "" }); };
    socket.onmessage = function (event) { focusLoop.queue.push({ kind: 1, code: 0, text: String(event.data) }); };
    socket.onclose = function (event) { focusLoop.queue.push({ kind: 2, code: event.code, text: event.reason }); };
  },

  FocusLoopSend__deps: ["$focusLoop"],
  FocusLoopSend: function (text) {
    if (focusLoop.socket && focusLoop.socket.readyState === 1) focusLoop.socket.send(UTF8ToString(text));
  },

  FocusLoopClose__deps: ["$focusLoop"],
  FocusLoopClose: function () {
    if (focusLoop.socket) { focusLoop.socket.onclose = null; focusLoop.socket.close(1000); focusLoop.socket = null; }
  },

  FocusLoopNextKind__deps: ["$focusLoop"],
  FocusLoopNextKind: function () {
    focusLoop.taken = focusLoop.queue.shift() || null;
    return focusLoop.taken ? focusLoop.taken.kind : -1;
  },

  FocusLoopNextCode__deps: ["$focusLoop"],
  FocusLoopNextCode: function () { return focusLoop.taken ? focusLoop.taken.code : 0; },

  FocusLoopNextText__deps: ["$focusLoop"],
  FocusLoopNextText: function () {
    var text = focusLoop.taken ? focusLoop.taken.text : "";
    var size = lengthBytesUTF8(text) + 1, buffer = _malloc(size);
    stringToUTF8(text, buffer, size);
    return buffer;
  },
});
