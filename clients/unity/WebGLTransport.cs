// The connection of WebGL builds: the browser's WebSocket, through Plugins/WebGL/FocusLoop.jslib.

#if UNITY_WEBGL && !UNITY_EDITOR
using System.Runtime.InteropServices;

namespace Focusloop
{
    public sealed class WebGLTransport : ITransport
    {
        [DllImport("__Internal")] static extern void FocusLoopOpen(string url, string subprotocol);
        [DllImport("__Internal")] static extern void FocusLoopSend(string text);
        [DllImport("__Internal")] static extern void FocusLoopClose();
        [DllImport("__Internal")] static extern int FocusLoopNextKind();
        [DllImport("__Internal")] static extern int FocusLoopNextCode();
        [DllImport("__Internal")] static extern string FocusLoopNextText();

        public void Open(string url, string subprotocol) { FocusLoopOpen(url, subprotocol); }
        public void Send(string text) { FocusLoopSend(text); }
        public void Close() { FocusLoopClose(); }

        public bool TryRead(out TransportEvent happened)
        {
            int kind = FocusLoopNextKind();
            happened = new TransportEvent();
            if (kind < 0) return false;
            happened.Kind = (TransportKind)kind;
            happened.Code = FocusLoopNextCode();
            happened.Text = FocusLoopNextText();
            return true;
        }
    }
}
#endif
