// The connection of the editor and of desktop and mobile builds. WebGL has no sockets: see WebGLTransport.

#if !UNITY_WEBGL || UNITY_EDITOR
using System;
using System.Collections.Concurrent;
using System.IO;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Focusloop
{
    /// <summary>A WebSocket on threads of its own; what happens waits in a queue for the thread that pumps.</summary>
    public sealed class NativeTransport : ITransport
    {
        readonly ConcurrentQueue<TransportEvent> _happened = new ConcurrentQueue<TransportEvent>();
        BlockingCollection<string> _outgoing;
        CancellationTokenSource _end;

        public void Open(string url, string subprotocol)
        {
            Close();
            var end = _end = new CancellationTokenSource();
            var outgoing = _outgoing = new BlockingCollection<string>();
            Task.Run(() => Live(url, subprotocol, outgoing, end));
        }

        public void Send(string text)
        {
            if (_outgoing != null) _outgoing.Add(text);
        }

        public void Close()
        {
            if (_end != null) _end.Cancel();
            _end = null;
        }

        public bool TryRead(out TransportEvent happened) { return _happened.TryDequeue(out happened); }

        async Task Live(string url, string subprotocol, BlockingCollection<string> outgoing, CancellationTokenSource end)
        {
            int code = 1006;
            string reason = "";
            using (var socket = new ClientWebSocket())
            {
                Task sending = null;
                try
                {
                    socket.Options.AddSubProtocol(subprotocol);
                    await socket.ConnectAsync(new Uri(url), end.Token);
                    _happened.Enqueue(new TransportEvent { Kind = TransportKind.Opened });
                    sending = Task.Run(() => SendAll(socket, outgoing, end.Token));
                    await Receive(socket, end.Token);
                    code = (int)(socket.CloseStatus ?? (WebSocketCloseStatus)1006);
                    reason = socket.CloseStatusDescription ?? "";
                }
                catch (Exception error)
                {
                    if (socket.CloseStatus.HasValue) code = (int)socket.CloseStatus.Value;
                    reason = error.Message;
                }
                bool ours = end.IsCancellationRequested;
                end.Cancel();
                if (sending != null) await Task.WhenAny(sending);
                if (!ours) _happened.Enqueue(new TransportEvent { Kind = TransportKind.Closed, Code = code, Text = reason });
            }
        }

        async Task Receive(ClientWebSocket socket, CancellationToken end)
        {
            var buffer = new ArraySegment<byte>(new byte[16384]);
            using (var whole = new MemoryStream())
            {
                while (socket.State == WebSocketState.Open)
                {
                    WebSocketReceiveResult part = await socket.ReceiveAsync(buffer, end);
                    if (part.MessageType == WebSocketMessageType.Close) return;
                    whole.Write(buffer.Array, 0, part.Count);
                    if (!part.EndOfMessage) continue;
                    string text = Encoding.UTF8.GetString(whole.GetBuffer(), 0, (int)whole.Length);
                    whole.SetLength(0);
                    _happened.Enqueue(new TransportEvent { Kind = TransportKind.Message, Text = text });
                }
            }
        }

        static async Task SendAll(ClientWebSocket socket, BlockingCollection<string> outgoing, CancellationToken end)
        {
            while (!end.IsCancellationRequested)
            {
                var bytes = new ArraySegment<byte>(Encoding.UTF8.GetBytes(outgoing.Take(end)));
                await socket.SendAsync(bytes, WebSocketMessageType.Text, true, end);
            }
        }
    }
}
#endif
