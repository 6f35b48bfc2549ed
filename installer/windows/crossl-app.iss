; The installer for Windows: for one user, without administrator rights. Inno Setup 6.3 or newer.
;
;   python -P installer\icons.py build\windows-icons
;   iscc /DAppVersion=1.2.3 /DVariant=cpu installer\windows\crossl-app.iss
;
; Wants the folder that PyInstaller made, dist\crossl-app. The version is core\version.py's: who calls
; passes it on. Written on Linux; it has not been compiled or run.

#ifndef AppVersion
  #error Name the version: iscc /DAppVersion=1.2.3, as core\version.py has it
#endif
#ifndef FileVersion
  ; Of numbers alone; a version like 1.0rc1 needs one of its own, such as 1.0.
  #define FileVersion AppVersion
#endif
#ifndef Variant
  #define Variant "cpu"
#endif
#define Root SourcePath + "\..\.."
#define Icons Root + "\build\windows-icons"
#define ProgId "crossl-app.Recording"

[Setup]
; Stays the same for good: Windows knows an update by it. Both variants share it and replace each other.
AppId={{1A5C707D-1AB8-429E-9DFE-A47AC07BA1D8}
AppName=crossl-app
AppVersion={#AppVersion}
AppVerName=crossl-app {#AppVersion}
AppPublisher=The crossl-app developers
AppComments=For research, not for diagnosis.
VersionInfoVersion={#FileVersion}
DefaultDirName={autopf}\crossl-app
DefaultGroupName=crossl-app
DisableProgramGroupPage=yes
; Below the user's own folder. An administrator may say /ALLUSERS.
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=commandline
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
LicenseFile={#Root}\LICENSE
SetupIconFile={#Icons}\crossl-app.ico
UninstallDisplayIcon={app}\crossl-app.exe
OutputDir={#Root}\dist
OutputBaseFilename=crossl-app-{#AppVersion}-windows-x64-{#Variant}-setup
Compression=lzma2/max
SolidCompression=yes
LZMANumBlockThreads=4
WizardStyle=modern
; Two installers at once would mix their files.
SetupMutex=crossl-app-setup
; A program that runs is asked to close; it saves every label at once, so nothing is lost.
CloseApplications=yes
RestartApplications=no
ChangesAssociations=yes
ChangesEnvironment=yes

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"
Name: "es"; MessagesFile: "compiler:Languages\Spanish.isl"
Name: "fr"; MessagesFile: "compiler:Languages\French.isl"
Name: "it"; MessagesFile: "compiler:Languages\Italian.isl"
Name: "nl"; MessagesFile: "compiler:Languages\Dutch.isl"

[Tasks]
Name: "desktop"; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked
Name: "path"; Description: "Add crossl-app-console, for batch mode, to the PATH"; Flags: unchecked

[InstallDelete]
; What an older version brought and this one does not.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "{#Root}\dist\crossl-app\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs
Source: "{#Icons}\crossl-app-recording.ico"; DestDir: "{app}"; Flags: ignoreversion
Source: "{#Root}\LICENSE"; DestDir: "{app}"; DestName: "LICENSE.txt"; Flags: ignoreversion

[Icons]
Name: "{group}\crossl-app"; Filename: "{app}\crossl-app.exe"
Name: "{autodesktop}\crossl-app"; Filename: "{app}\crossl-app.exe"; Tasks: desktop

[Registry]
; One more program under "Open with"; the program that opens these files now keeps doing so.
Root: HKA; Subkey: "Software\Classes\{#ProgId}"; ValueType: string; ValueData: "Recording of biosignals"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\{#ProgId}\DefaultIcon"; ValueType: string; ValueData: "{app}\crossl-app-recording.ico"
Root: HKA; Subkey: "Software\Classes\{#ProgId}\shell\open\command"; ValueType: string; ValueData: """{app}\crossl-app.exe"" ""%1"""
Root: HKA; Subkey: "Software\Classes\.edf\OpenWithProgids"; ValueType: string; ValueName: "{#ProgId}"; ValueData: ""; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\.bdf\OpenWithProgids"; ValueType: string; ValueName: "{#ProgId}"; ValueData: ""; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\Applications\crossl-app.exe\SupportedTypes"; ValueType: string; ValueName: ".edf"; ValueData: ""; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\Applications\crossl-app.exe\SupportedTypes"; ValueType: string; ValueName: ".bdf"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\crossl-app.exe\shell\open\command"; ValueType: string; ValueData: """{app}\crossl-app.exe"" ""%1"""; Flags: uninsdeletekey

[Run]
Filename: "{app}\crossl-app.exe"; Description: "{cm:LaunchProgram,crossl-app}"; Flags: nowait postinstall skipifsilent

; There is no section that deletes studies, settings or caches: they are the user's, and stay.

[Code]
const
  EnvironmentKey = 'Environment';

{ The user's PATH, with a semicolon before and after every entry. }
function UserPath(): String;
begin
  if not RegQueryStringValue(HKCU, EnvironmentKey, 'Path', Result) then
    Result := '';
  Result := ';' + Result + ';';
end;

procedure CurStepChanged(Step: TSetupStep);
var
  Path: String;
begin
  if (Step <> ssPostInstall) or not WizardIsTaskSelected('path') then
    exit;
  Path := UserPath();
  if Pos(';' + Lowercase(ExpandConstant('{app}')) + ';', Lowercase(Path)) > 0 then
    exit;
  Path := Copy(Path, 2, Length(Path) - 2);
  if (Path <> '') and (Path[Length(Path)] <> ';') then
    Path := Path + ';';
  RegWriteExpandStringValue(HKCU, EnvironmentKey, 'Path', Path + ExpandConstant('{app}'));
end;

procedure CurUninstallStepChanged(Step: TUninstallStep);
var
  Path, Entry: String;
  Place: Integer;
begin
  if Step <> usPostUninstall then
    exit;
  Path := UserPath();
  Entry := ';' + ExpandConstant('{app}');
  Place := Pos(Lowercase(Entry) + ';', Lowercase(Path));
  if Place = 0 then
    exit;
  Delete(Path, Place, Length(Entry));
  Path := Copy(Path, 2, Length(Path) - 2);
  RegWriteExpandStringValue(HKCU, EnvironmentKey, 'Path', Path);
end;
