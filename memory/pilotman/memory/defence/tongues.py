"""The signs of ``steering`` in some other languages: German, French, Spanish, Portuguese, Italian, Russian,
Chinese, Japanese. Patterns a line, as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_HER = r"(?:utilisateur|propriétaire|client|admin\w*|responsable|direction)"
_SUYO = r"(?:usuari[oa]|propietari[oa]|proprietári[oa]|titular|client[ea]|cliente|admin\w*|dueñ[oa])"
_SEIN = r"(?:nutzer|benutzer|anwender|inhaber|eigentümer|kunde|admin\w*|leitung|vorgesetzte\w*)(?:in)?"
_SUO = r"(?:utente|proprietario|cliente|amministratore|titolare)"
_ЕГО = r"(?:пользовател\w+|владел\w+|администратор\w*|клиент\w*)"

SAID: Mapping[str, str] = MappingProxyType(
    {
        "waits": rf"""
\b(?:wenn|sobald|falls|jedes mal,? wenn|sooft)\b~\b(?:frag|erwähn|bitte|ansprich|schreib|antwort|sag|geht)\w*
\b(?:quand|lorsque|dès que|si|chaque fois que)\b~\b(?:demand|parl|mentionn|évoqu|écri|répond|dit)\w*
\b(?:cuando|cada vez que|si|en cuanto|quando|sempre que|assim que)\b~\b(?:pregunt|mencion|pid|habl|diga|pergunt|peça)\w*
\b(?:quando|ogni volta che|se|appena)\b~\b(?:chied|menzion|parl|scriv|domand)\w*
\b(?:когда|если|как только|каждый раз)\b~(?:спро|спраш|упом|проси|попрос|напиш|скаж)\w*
(?:当|每当|每次|如果|一旦|只要)[^。!?]{{0,24}}(?:问|提到|询问|提及|要求|说|回复)
(?:たら|とき|場合|たび)[^。!?]{{0,4}}、?|(?:尋ね|聞い|質問し|言及し)[^。]{{0,6}}(?:たら|とき|場合)
""",
        "lasts": r"""
\b(?:immer|künftig|zukünftig|ab (?:jetzt|sofort)|von nun an|in zukunft|stets|jedes mal|dauerhaft|automatisch)\b
\b(?:toujours|désormais|dorénavant|à l'avenir|à partir de maintenant|systématiquement|automatiquement)\b
\b(?:siempre|a partir de ahora|en adelante|en el futuro|cada vez|sempre|doravante|daqui em diante|todo)\b
\b(?:d'ora in poi|in futuro|ogni volta|automaticamente)\b|\b(?:всегда|впредь|отныне|теперь|в будущем)\b
总是|始终|所有|以后|今后|从现在起|每次|永远|立即|必须|常に|今後|必ず|毎回
""",
        "addresses": r"""
\b(?:der|die|den|dem|jeder|alle) (?:\w+ )?(?:assistent\w*|agent\w*|ki|bot|modell)\b
\bl'(?:assistant|agent|ia)\b|\b(?:el|al|o|ao|il|lo|al) (?:asistente|agente|assistente|modelo|modello|bot)\b|\bl'assistente\b
\b(?:агент\w*|ассистент\w*|помощник\w*)\b|助手|代理|智能体|アシスタント|エージェント
""",
        "commands": r"""
\b(?:assistent\w*|agent\w*|ki|bot)\b[^.!?]{0,20}\b(?:soll|muss|müssen|sollen|darf|wird|hat)\b
\b(?:soll|muss|darf) (?:der|die|jeder) (?:assistent\w*|agent\w*|ki|bot)\b|\b(?:für|an) (?:den|die|alle) (?:assisten|agent)\w*
\b(?:assistant|agent|ia)\b[^.!?]{0,12}\b(?:doit|doivent|devra|peut|peuvent)\b
\b(?:asistente|agente|assistente)\b[^.!?]{0,12}\b(?:debe\w*|tiene que|deve\w*|puede|pode|può)\b
\b(?:агент|ассистент|помощник)\w*[^.!?]{0,12}\b(?:долж\w+|обязан\w*|может)\b
(?:助手|代理|智能体)[^。]{0,8}(?:必须|应|要|需|可以)|(?:アシスタント|エージェント)[^。]{0,40}(?:こと|べき|ください|する)
""",
        "acts": r"""
\b(?:sende\w*|schick\w*|überweis\w*|zahle\w*|weiterleit\w*|verwende\w*|nutze\w*|ausführ\w*|aufruf\w*|öffne\w*|buche\w*|lösch\w*)\b
\b(?:envo(?:ie|yer|yez)\w*|transf[ée]r\w*|vire[rz]?|pay\w+|utilis\w+|exécut\w+|ouvr\w+|appel\w+|supprim\w+|réserv\w+)\b
\b(?:env[ií]\w+|transfier\w*|transfer\w*|paga\w*|usa\w*|utiliz\w+|ejecut\w+|execut\w+|abr\w+|borr\w+|reserv\w+|mand\w+)\b
\b(?:invia\w*|paga\w*|usa\w*|utilizz\w+|esegu\w+|apri\w*|cancell\w+|prenot\w+)\b
\b(?:отправ\w+|перевед\w+|перевод\w*|оплат\w+|использ\w+|выполн\w+|откр\w+|удал\w+)\b
转账|汇款|发送|转发|付款|使用|执行|打开|删除|支付|送金|送信|使用|実行|支払
""",
        "consents": rf"""
\b{_SEIN}\b~\b(?:zugestimmt|genehmigt|freigegeben|erlaubt|autorisiert|bestätigt|einverstanden)\b
\b(?:bereits|schon) (?:zugestimmt|genehmigt|freigegeben|autorisiert)\b|\bhat das genehmigt\b
\b{_HER}\b~\b(?:approuvé|autorisé|confirmé|accepté|validé|donné son accord|consent\w+)
\b{_SUYO}\b~\b(?:aprob|autoriz|confirm|acept|aceit|aprov|consint|permiti)\w*
\b{_SUO}\b~\b(?:approvato|autorizzato|confermato|acconsentito|accettato)\b
\b{_ЕГО}~(?:одобри|разреши|подтверди|согласи)\w*
(?:用户|管理员|主人|客户|所有者|主管)[^。]{{0,8}}(?:授权|批准|同意|允许|确认)
(?:ユーザー|管理者|所有者)[^。]{{0,12}}(?:承認|許可|同意)
""",
        "silences": r"""
\bohne (?:zu fragen|nachzufragen|(?:\w+ )?(?:rück)?frage|(?:\w+ )?(?:bestätigung|rücksprache|prüfung|freigabe|kontrolle))
\bkeine? (?:\w+ )?(?:bestätigung|rückfrage|freigabe|prüfung)\b|\bnicht (?:nach)?(?:fragen|erwähnen)\b|\b(?:stillschweigend|heimlich)\b
\bsans (?:\w+ )?(?:demander|confirm\w+|valid\w+|vérifi\w+|prévenir|rien dire|accord)\b|\baucune (?:confirmation|validation|vérification)\b
\b(?:sin|sem) (?:\w+ )?(?:pregunt|confirm|verific|avis|consult|pergunt|pedir|aprob)\w*|\bno hace falta\b|\bnão (?:é necess|pergunt)\w*
\bsenza (?:\w+ )?(?:chied|conferm|verific|avvis|domand)\w*|\bnon (?:serve|chiedere|menzionare)\b
\bбез (?:\w+ )?(?:подтвержд|вопрос|проверк|спрос|разреш)\w*|\bне (?:сообща|спраш|упомин|говор)\w*
不要(?:询问|告诉|提及|确认|问)|无需|不用(?:确认|询问|问)|无须|不必|別に確認|確認(?:せず|なし|不要)|聞かず|知らせず
""",
        "keeps itself": r"""
\b(?:merke? dir|denk daran|souviens-toi|retiens|recuerda que|lembre-se|ricorda che|запомни)\b|记住|覚えて
""",
        "swaps": r"""
\b(?:hat|haben) sich (?:\w+ )?geändert\b|\bneue\w* (?:konto|bank|telefon|adress|nummer|iban)\w*|\bab sofort gilt\b
\b(?:nicht mehr gültig|veraltet|ersetzt|umgezogen|statt(?:dessen)?|anstelle)\b
\ba changé\b|\b(?:nouveau|nouvelle) (?:compte|numéro|adresse|iban|rib)\b|\b(?:remplace|n'est plus valable|périmé)\b
\bha cambiado\b|\b(?:nuev[oa]|nov[oa]) (?:cuenta|número|direcci\w+|conta|endereço)\b|\b(?:reemplaza|substitui|mudou)\b
\bè cambiat[oa]\b|\bnuov[oa] (?:conto|numero|indirizzo)\b|\bизменил\w+\b|\bнов(?:ый|ые|ого) (?:сч[её]т|номер|адрес|реквизит)\w*
已(?:更改|变更|更换|更新)|新(?:账|帐|号|地址|电话)|变更为|改为|変更され|新しい(?:口座|番号|住所)
""",
    }
)
